from __future__ import annotations

from itertools import zip_longest

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from chatbot.corpus import Pair
from chatbot.evaluation.columns import list_search_columns
from chatbot.evaluation.intervals import Dialogues, Estimate
from chatbot.evaluation.replies import count_overlaps, estimate_overlaps, take_replies
from chatbot.evaluation.tasks import TASKS, choose_tokenizer, gather_references

REPLIES = ["你用跑的。", "see you at 5.30, tom!", "我不知道。", "他跑了 。"] * 3
REFERENCES = [["跑！", "你用跑的。"], ["See you at 5.30, Tom!"], ["我不知。"], ["他跑了。"] * 3] * 3


def estimate(task: str, replies: list[str], references: list[list[str]]) -> dict[str, Estimate]:
    metrics = TASKS[task].make_metrics(references)
    found = count_overlaps(take_replies(replies), metrics, TASKS[task].is_talk)
    dialogues = Dialogues(np.arange(len(replies)))
    return estimate_overlaps(found, np.ones(len(replies), np.bool_), dialogues)


def measure(task: str, replies: list[str], references: list[list[str]]) -> dict[str, float]:
    return {name: found.value for name, found in estimate(task, replies, references).items()}


def test_every_task_has_a_column_for_each_of_its_figures() -> None:
    for name, task in TASKS.items():
        columns = list_search_columns(task)
        assert {*task.figures} <= {*columns.figures}, name
        assert [*columns.intervals] == [*task.figures, "mean_log_prob"]
    assert set(measure("translation", ["a"], [["a"]])) == {*TASKS["translation"].figures}
    assert set(measure("summarising", ["a"], [["a"]])) == {*TASKS["summarising"].figures}


def test_translations_are_measured_as_sacrebleu_measures_raw_texts() -> None:
    found = estimate("translation", REPLIES, REFERENCES)
    for kept, values in [
        (range(12), {name: figure.value for name, figure in found.items()}),
        (range(1, 12), {name: figure.left_out[0] for name, figure in found.items()}),
    ]:
        streams = list(zip_longest(*(REFERENCES[place] for place in kept)))
        texts = [REPLIES[place] for place in kept]
        bleu = BLEU(tokenize="zh", lowercase=True).corpus_score(texts, streams)
        assert values["bleu"] == pytest.approx(bleu.score)
        assert values["length_ratio"] == pytest.approx(bleu.sys_len / bleu.ref_len)
        chrf = CHRF(lowercase=True).corpus_score(texts, streams).score
        assert values["chrf"] == pytest.approx(chrf)
    signatures = {x: y.signature for x, y in TASKS["translation"].make_metrics(REFERENCES).items()}
    assert {"nrefs:var", "case:lc", "tok:zh"} <= {*signatures["bleu"].split("|")}
    assert {"nrefs:var", "case:lc", "nc:6"} <= {*signatures["chrf"].split("|")}


def test_any_of_the_references_will_do() -> None:
    references = [["one two three four five", "I live in the old town."], ["Yes, of course not."]]
    replies = ["i live in the old town.", "yes, of course not."]
    found = measure("translation", replies, references)
    assert found == pytest.approx({"bleu": 100.0, "chrf": 100.0, "length_ratio": 1.0})
    longer = measure("translation", ["a b c d e f"], [["a b", "a b c d"]])
    assert longer["length_ratio"] == 6 / 4
    found = measure("summarising", replies, references)
    assert found == dict.fromkeys(("rouge_1", "rouge_2", "rouge_l"), 100.0)


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["It's Tom.", "Ça va ?", "Привет"], "13a"),
        (["我叫 Tom。", "你好"], "zh"),
        (["他用「の」字写了很多很多的句子"], "zh"),
        (["私は学生です。", "東京大学"], "ja-mecab"),
        (["저는 학생입니다."], "ko-mecab"),
        (["Tom said 你好 to his old friends"], "13a"),
        (["1 2 3"], "13a"),
    ],
)
def test_the_tokenizer_follows_the_script_of_most_letters(texts: list[str], name: str) -> None:
    assert choose_tokenizer(texts) == name


@pytest.mark.parametrize(
    ("text", "language"), [("私は学生です。", "ja"), ("저는 학생입니다.", "ko")]
)
def test_without_a_languages_own_tokenizer_characters_count_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, text: str, language: str
) -> None:
    monkeypatch.setattr(f"sacrebleu.tokenizers.tokenizer_{language}_mecab.MeCab", None)
    metrics = TASKS["translation"].make_metrics([[text]])
    assert "tok:char" in metrics["bleu"].signature
    assert metrics["bleu"].note.startswith("BLEU counts characters")
    assert f"pip install 'sacrebleu[{language}]'" in metrics["bleu"].note
    assert metrics["chrf"].note == ""
    assert measure("translation", [text], [[text]])["bleu"] == pytest.approx(100.0)


def test_rouge_of_english_is_by_stems_and_in_any_order() -> None:
    found = measure(
        "summarising", ["police catches thieves", ""], [["The police catch a thief."]] * 2
    )
    # 2 of 3 words, 2 of 5 in the reference: F1 is 2 * 2 / (3 + 5); nothing for the empty one.
    assert found["rouge_1"] == pytest.approx(100 * (4 / 8) / 2)
    assert found["rouge_2"] == pytest.approx(100 * (2 * 1 / (2 + 4)) / 2)
    assert found["rouge_l"] == pytest.approx(100 * (4 / 8) / 2)
    swapped = measure("summarising", ["catches police"], [["police catch"]])
    assert swapped == pytest.approx({"rouge_1": 100.0, "rouge_2": 0.0, "rouge_l": 50.0})


@pytest.mark.parametrize(
    ("reply", "reference", "bigrams"),
    [
        ("北京大雨", "北京，小雨", 1),  # characters
        ("すももの", "すもも、と", 2),
        ("Она ест суп там", "Она ест суп. Тут", 2),  # words
    ],
)
def test_rouge_of_other_scripts_counts_what_the_default_drops(
    reply: str, reference: str, bigrams: int
) -> None:
    found = measure("summarising", [reply], [[reference]])
    expected = {"rouge_1": 75.0, "rouge_2": 100 * bigrams / 3, "rouge_l": 75.0}
    assert found == pytest.approx(expected)


def test_pairs_of_a_query_are_gathered_by_its_tokens_and_those_before_it() -> None:
    pairs = [
        Pair("Hi.", "嗨。", 0),
        Pair("Run", "跑", 0),
        Pair("hi .", "你好。", 3),
        Pair("Hi.", "嗨。", 4, ("Tom?",)),
        Pair("HI.", "嗨。", 5),
    ]
    assert gather_references(pairs) == [
        Pair("Hi.", "嗨。", 0, others=("你好。", "嗨。")),
        Pair("Run", "跑", 1),
        Pair("Hi.", "嗨。", 2, ("Tom?",)),
    ]
