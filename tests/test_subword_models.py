"""A model of subwords from its training to every way of using it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatbot.beam_tree import find_path
from chatbot.bot import Chatbot
from chatbot.chat.answer import answer
from chatbot.chat.pictures import Pictures
from chatbot.corpus import Pair
from chatbot.errors import ChatbotError
from chatbot.evaluation.comparison import evaluate_directories
from chatbot.evaluation.scoring import Scorer
from chatbot.export.work import export_model
from chatbot.serving.chat_answer import choose
from chatbot.serving.chat_request import ChatRequest
from chatbot.serving.compare import compare
from chatbot.serving.models import ReplyWork, Served
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import tokenize
from tests.export.test_saved_model import run_alone
from tests.trainings import (
    PAIRS,
    assert_same_weights,
    read_metrics,
    stop_after_step,
    tiny_settings,
    train,
    write_pairs,
)

WORDY = [*PAIRS, ("unbelievable", "believe it , unbelievably so"), ("再见 😀", "好 believable !")]
SETTINGS = {
    "subwords": "bpe",
    "vocab_size": 330,
    "subword_sampling": 0.3,
    "max_length": 20,
    "max_reply_length": 6,
    "average_decay": 0.9,
}
LINES = ("hello", "who are you, unbelievable 龘?", "", "再见 😀 ▁ \u0301")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training beside its corpus, stopped and resumed at no time; leave it alone."""
    place = tmp_path_factory.mktemp("subwords")
    corpus = write_pairs(place / "pairs.tsv", WORDY)
    other = write_pairs(place / "other.tsv", [("hello", "it is unbelievable"), *WORDY[2:]])
    settings = tiny_settings(corpus, validation_corpus=str(other), **SETTINGS)
    assert train(place / "model", **settings) == 0
    return place


@pytest.fixture(scope="module")
def bot(trained: Path) -> Chatbot:
    return Chatbot.load(trained / "model", engine="own")


def test_a_resumed_training_draws_what_it_would_have_drawn(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = str(trained / "other.tsv")
    settings = tiny_settings(trained / "pairs.tsv", validation_corpus=other, **SETTINGS)
    stop_after_step(monkeypatch, 5)
    train(tmp_path / "model", **settings)
    monkeypatch.undo()
    assert train(tmp_path / "model", **settings) == 0
    assert_same_weights(tmp_path / "model", trained / "model")
    assert read_metrics(tmp_path / "model") == read_metrics(trained / "model")


def test_reports_have_perplexities_a_word_beside_those_a_token(trained: Path) -> None:
    for report in read_metrics(trained / "model"):
        for kind in ("", "validation_"):
            token, word = report[f"{kind}perplexity"], report[f"{kind}word_perplexity"]
            assert word > token > 1.0


def test_the_validation_is_the_evaluations(trained: Path, bot: Chatbot) -> None:
    pairs = [("hello", "it is unbelievable"), *WORDY[2:]]
    scores = Scorer(bot).score(pairs)
    assert [score.words for score in scores] == [len(tokenize(reply)) + 1 for _, reply in pairs]
    assert [score.unknown for score in scores] == [0] * len(pairs)
    mean = -sum(score.log_prob for score in scores) / sum(score.words for score in scores)
    best = ModelDirectory(trained / "model").best()
    reports = {report["step"]: report for report in read_metrics(trained / "model")}
    assert best is not None
    expected = reports[best.step]["validation_word_perplexity"]
    assert np.exp(mean) == pytest.approx(expected, rel=1e-4)


def test_both_engines_reply_with_whole_text_to_any_line(trained: Path, bot: Chatbot) -> None:
    lite = Chatbot.load(trained / "model", engine="onnx", reply_precision="float32")
    for line in LINES:
        found, other = bot.reply(line), lite.reply(line)
        assert [r.text for r in found] == [r.text for r in other]
        for reply in found:
            words = bot.vocabulary.segmenter.join(reply.tokens)
            assert tokenize(reply.text) == words
        read = bot.read(line)
        assert bot.vocabulary.segmenter.join(bot.vocabulary.decode(read.ids)) == (
            tokenize(line) or ["<unk>"]
        )
    assert bot.read("unbelievable " * 20).is_cut


def test_pictures_show_the_pieces(bot: Chatbot, tmp_path: Path) -> None:
    line = "hello unbelievable 你"
    reply = bot.reply(line)[0]
    looked = bot.attend(line, reply)
    assert looked.weights.shape == (len(looked.reply_tokens), len(looked.query_tokens))
    assert any(token.startswith("##") for token in looked.query_tokens)
    assert looked.query_tokens[-1] == "你"
    assert find_path(bot.trace_beam(line), reply.tokens) is not None
    Pictures(str(tmp_path), str(tmp_path)).draw(bot, line, answer(bot, [line])[0])
    assert len(list(tmp_path.iterdir())) == 3


def test_a_served_reply_is_cut_by_pieces_and_written_whole(trained: Path) -> None:
    lite = Chatbot.load(trained / "model", engine="onnx", reply_precision="float32")
    (answered,) = ReplyWork(Served("m", lite, 0), (("min_reply_length", 4),)).run([("hello",)])
    asked = ChatRequest(("hello",), 0.0, 1.0, None, 1, 2, (), False, False)
    (choice,) = choose(asked, answered)
    assert choice.tokens == 2
    assert choice.text == lite.vocabulary.write(answered.replies[0].tokens[:2])
    found = compare(lite, ["hello unbelievable"], prefix=lite.vocabulary.segmenter.split(["so"]))
    reply = found["searches"][0]["replies"][0]
    assert reply["text"] == lite.vocabulary.write(reply["tokens"])
    assert reply["text"].startswith("so")


def test_models_of_words_and_of_subwords_compare_by_words_that_both_know(
    trained: Path, tmp_path: Path
) -> None:
    whole = tiny_settings(trained / "pairs.tsv", max_length=20, max_steps=2)
    assert train(tmp_path / "whole", **whole) == 0
    texts = [*WORDY, ("hello", "a hedgehog"), ("hello", "you " * 25)]
    pairs = [Pair(query, reply, number) for number, (query, reply) in enumerate(texts)]
    names = [str(tmp_path / "whole"), str(trained / "model")]
    words, pieces = (found.figures for found in evaluate_directories(names, pairs, []))
    assert words["words"] == words["tokens"]
    assert (words["word_perplexity"], words["known_share"]) == (words["perplexity"], 9 / 11)
    assert pieces["tokens"] > pieces["words"]
    assert (pieces["unknown_share"], pieces["known_share"]) == (0.0, 10 / 11)
    assert pieces["from_first"]["perplexity"] is None
    found = pieces["from_first"]["word_perplexity"]
    known = pairs[:9]
    one, other = (
        each.figures["word_perplexity"] for each in evaluate_directories(names, known, [])
    )
    assert found["pairs"] == 9
    assert found["difference"] == pytest.approx(other - one)
    people = pieces["people"]["mean_length"]
    assert people == words["people"]["mean_length"]


def test_an_exported_directory_cuts_words_too(trained: Path, tmp_path: Path) -> None:
    export_model(str(trained / "model"), str(tmp_path / "onnx"), "onnx")
    assert '"sentencepiece>=' in (tmp_path / "onnx" / "README.md").read_text()
    code = (
        "import sys, runpy; sys.argv = ['.']; runpy.run_path('.', run_name='__main__'); "
        "assert 'tensorflow' not in sys.modules"
    )
    said = run_alone("-c", code, cwd=tmp_path / "onnx", stdin=f"{LINES[1]}\n")
    expected = Chatbot.load(tmp_path / "onnx").greedy(LINES[1]).text
    assert said.splitlines()[0][10:] == expected


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_the_readme_of_a_tflite_model_cuts_words_too(trained: Path, tmp_path: Path) -> None:
    given = {"beam_search": False, "beam_size": 1}
    export_model(str(trained / "model"), str(tmp_path / "lite"), "tflite", "", given)
    text = (tmp_path / "lite" / "README.md").read_text()
    (code,) = re.findall("```python\n(.*?)```", text, re.DOTALL)
    code = code.replace('"hello"', '"hello unbelievable 你"')
    shown = run_alone("-W", "ignore", "-c", code, cwd=tmp_path / "lite")
    reply = Chatbot.load(trained / "model", given, engine="own").greedy("hello unbelievable 你")
    assert tokenize(shown) == tokenize(reply.text)


def test_a_saved_model_of_pieces_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ChatbotError, match=r"cannot cut words into pieces.*onnx or tflite"):
        export_model(str(trained / "model"), str(tmp_path / "saved"), "saved_model")


@pytest.mark.parametrize("damage", ["cut", "gone", "swapped", "words"])
def test_swapped_and_damaged_pieces_are_refused_in_one_line(
    damage: str, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained / "model", tmp_path / "model")
    model = tmp_path / "model" / "subwords.model"
    content = model.read_bytes()
    if damage == "gone":
        model.unlink()
    elif damage == "words":
        path = tmp_path / "model" / "config.json"
        values: dict[str, Any] = json.loads(path.read_text())
        values["corpus"]["subwords"] = "none"
        path.write_text(json.dumps(values))
    else:
        model.write_bytes(content[:-9] if damage == "cut" else content[:-1] + b"\x01")
    with pytest.raises(ChatbotError, match=r"subwords\.model|is not the vocabulary") as caught:
        Chatbot.load(tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_sampling_without_pieces_is_refused(tmp_path: Path) -> None:
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv"), subword_sampling=0.1)
    with pytest.raises(ChatbotError, match="--subword_sampling cuts words into pieces, but"):
        train(tmp_path / "model", **settings)
