from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tensorflow as tf

from chatbot.bot import Chatbot, Reply
from chatbot.corpus import Pair
from chatbot.dataset.pair_hashes import hash_pair
from chatbot.engines.choice import choose_engine
from chatbot.evaluation import windows
from chatbot.evaluation.differences import subtract_models
from chatbot.evaluation.figures import evaluate, find_seen
from chatbot.evaluation.intervals import Dialogues, Estimate, find_interval
from chatbot.evaluation.perplexity import measure_perplexity, score_pairs
from chatbot.evaluation.replies import run_search
from chatbot.evaluation.scoring import Scorer
from chatbot.evaluation.searches import Search
from chatbot.evaluation.tasks import gather_references
from chatbot.settings.config import Config, CorpusConfig, SearchConfig, TrainingConfig
from chatbot.text import EOS, SPECIAL_TOKENS, UNK, Query, Vocabulary, tokenize
from tests.conftest import make_config, make_model, make_pairs
from tests.helpers_chat import take_model, wrap_model

WORDS = Vocabulary([*SPECIAL_TOKENS, "hello", "you", "are", "how", "?", "i"])
PAIRS = [
    ("how are you?", "i are how"),
    ("hello", "you"),
    ("Hello", "hello hello hello hello hello hello"),
    ("unheard of", "never heard you"),
    ("", "you"),
]


@pytest.fixture(scope="module")
def bot() -> Chatbot:
    config = Config(
        CorpusConfig(max_length=5),
        make_config("luong"),
        TrainingConfig(precision="float32"),
        search=SearchConfig(beam_size=3, max_reply_length=4),
    )
    model = make_model("luong")
    model.engine = choose_engine("own")  # one graph serves every width
    return wrap_model(config, WORDS, model)


def test_scores_are_those_of_each_pair_alone_cut_and_ended(bot: Chatbot) -> None:
    encoded = [
        ([8, 7, 6, 9], [10, 7, 8, EOS]),
        ([5], [6, EOS]),
        ([5], [5, 5, 5, 5, 5]),  # what is cut does not end there
        ([UNK, UNK], [UNK, UNK, 6, EOS]),
        ([UNK], [6, EOS]),
    ]
    scores = Scorer(bot).score(PAIRS)
    for score, (query, reply) in zip(scores, encoded):
        losses = take_model(bot).token_log_losses(*make_pairs([query], [reply]))
        assert score.log_prob == pytest.approx(-float(tf.reduce_sum(losses)), rel=1e-4)
        assert score.tokens == len(reply)
        assert score.unknown == reply.count(UNK)


def make_corpus(pairs: Sequence[tuple[str, str]] = PAIRS) -> list[Pair]:
    return [Pair(query, reply, number) for number, (query, reply) in enumerate(pairs)]


def test_perplexity_is_over_tokens_not_over_pairs(bot: Chatbot) -> None:
    found = score_pairs(bot, make_corpus())
    figures = measure_perplexity(found, np.ones(5, dtype=np.bool_))
    scores = Scorer(bot).score(PAIRS)
    assert figures["pairs"] == 5
    assert figures["tokens"] == 17
    assert figures["unknown_share"] == 2 / 17
    mean = -sum(score.log_prob for score in scores) / 17
    assert figures["perplexity"] == pytest.approx(math.exp(mean))
    assert (figures["words"], figures["word_perplexity"]) == (17, figures["perplexity"])
    known = [score for score in scores if not score.unknown and not score.is_cut]
    assert figures["known_share"] == len(known) / 5
    mean = -sum(score.log_prob for score in known) / sum(score.words for score in known)
    assert figures["known_word_perplexity"] == pytest.approx(math.exp(mean))
    assert (figures["dialogues"], figures["perplexity_interval"]) == (5, None)


def test_the_interval_of_a_perplexity_is_that_of_its_mean_loss(bot: Chatbot) -> None:
    pairs = [pair._replace(dialogue=place // 2) for place, pair in enumerate(make_corpus() * 5)]
    found = score_pairs(bot, pairs)
    figures = measure_perplexity(found, np.ones(25, dtype=np.bool_))
    loss = Dialogues(np.arange(25) // 2).estimate_mean(found.losses, found.tokens)
    low, high = find_interval(Estimate(-loss.value, -loss.left_out)) or (0.0, 0.0)
    assert figures["dialogues"] == 13
    assert figures["perplexity_interval"] == pytest.approx([math.exp(-high), math.exp(-low)])


def assert_close(found: Any, expected: Any) -> None:
    """The sums of one batch and of another differ in their last digits, in tables too."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_close(found[key], value)
    else:
        assert found == (pytest.approx(expected, rel=1e-5) if type(expected) is float else expected)


def test_figures_of_unseen_pairs_are_those_of_a_corpus_of_them(bot: Chatbot) -> None:
    pairs, seen = make_corpus(), np.array([True, False, False, True, False])
    named = [Search("wide", {"beam_size": 5})]
    figures, material = evaluate(bot, pairs, named, seen)
    rest = [pair for pair, known in zip(pairs, seen) if not known]
    expected, rest_material = evaluate(bot, rest, named, np.zeros(3, dtype=np.bool_))
    assert figures["seen_share"] == 0.4
    assert expected["seen_share"] == 0.0
    assert list(figures["searches"]) == ["greedy", "beam 3", "wide"]
    texts = material.found["wide"].texts
    assert rest_material.found["wide"].texts == [texts[place] for place in (1, 2, 4)]
    names = (
        "pairs dialogues tokens words unknown_share known_share perplexity perplexity_interval "
        "word_perplexity known_word_perplexity greedy_recall beam_3_recall greedy_equals_beam_share"
    ).split()
    for name in names:
        for unseen in (figures[f"{name}_unseen"], expected[f"{name}_unseen"]):
            assert unseen == pytest.approx(expected[name], rel=1e-5), name
    for name, row in expected["searches"].items():
        unseen = figures["searches"][name]["unseen"]
        assert set(unseen) == set(row) - {"settings", "replies_per_second", "unseen"}
        for figure, value in unseen.items():
            assert_close(value, row[figure])
    assert figures["people"]["unseen"] == expected["people"]["unseen"]
    assert figures["people"]["unseen"]["mean_length"] == 8 / 3


def test_what_nobody_knows_is_null_and_said(bot: Chatbot) -> None:
    pairs = make_corpus()
    for seen, note in ((None, "does not say which"), (np.ones(5, dtype=np.bool_), "all these")):
        figures, _ = evaluate(bot, pairs, [], seen)
        assert figures["perplexity_unseen"] is None
        assert figures["perplexity_interval_unseen"] is None
        assert figures["greedy_recall_unseen"] is None
        assert figures["searches"]["greedy"]["unseen"] is None
        assert figures["people"]["unseen"] is None
        assert figures["pairs_unseen"] == (None if seen is None else 0)
        assert figures["seen_share"] == (None if seen is None else 1.0)
        engine, said, doubt = figures["notes"]
        assert engine == "computed by our own loops on unknown"
        assert note in said
        assert doubt.startswith("the pairs come from 5 dialogues, and intervals need 10")
        json.dumps(figures, allow_nan=False)


def test_recall_counts_a_query_once_and_takes_any_of_its_replies(bot: Chatbot) -> None:
    queries = ["how are you?", "hello"]
    said = [replies[0].text for replies in bot.replies(queries, beam_size=1)]
    assert said[0] != said[1]
    pairs = [
        Pair("How are you ?", "something else", 0),
        Pair("how are you?", said[0].upper(), 0),
        Pair("hello", said[0], 0),
    ]
    figures, _ = evaluate(bot, pairs, [], None)
    assert figures["greedy_recall"] == figures["searches"]["greedy"]["recall"] == 0.5
    best = [replies[0].text for replies in bot.replies(queries, beam_size=3)]
    figures, _ = evaluate(bot, make_corpus(list(zip(queries, best))), [], None)
    assert figures["beam_3_recall"] == 1.0
    assert figures["searches"]["beam 3"]["bleu"] > 0


def test_a_task_asks_each_query_once_and_scores_all_its_replies(
    bot: Chatbot, tmp_path: Path
) -> None:
    pairs = make_corpus([("hello", "you"), ("how are you?", "i are"), ("Hello", "how are you ?")])
    (tmp_path / "pairs").write_bytes(hash_pair(["hello"], tokenize("how are you ?")))
    gathered = gather_references(pairs)
    seen = find_seen(gathered, tmp_path / "pairs")
    assert seen is not None
    assert seen.tolist() == [True, False]  # one of its replies was learned
    figures, material = evaluate(bot, gathered, [], seen, None, "translation")
    plain, _ = evaluate(bot, pairs, [], np.array([True, False, True]))
    names = "pairs tokens words unknown_share perplexity word_perplexity known_share".split()
    for name in (*names, *(f"{name}_unseen" for name in names)):
        assert figures[name] == pytest.approx(plain[name], rel=1e-5), name
    assert (figures["task"], figures["pairs"], figures["dialogues"]) == ("translation", 3, 2)
    assert len(material.found["greedy"].texts) == 2
    row = figures["searches"]["greedy"]
    assert {"bleu", "chrf", "length_ratio"} < set(row)
    assert not {"distinct_1", "commonest_share", "recall"} & set(row)
    assert set(row["from_greedy"]) == {"bleu", "chrf", "length_ratio", "mean_log_prob"}
    assert not {"people", "greedy_recall"} & set(figures)
    assert figures["hits"] is None
    assert figures["notes"][-1].startswith("the unseen pairs come from 1 query, ")
    json.dumps(figures, allow_nan=False)
    assert subtract_models(material, material)["searches"]["greedy"]["length_ratio"] == {
        "difference": 0.0,
        "interval": None,
    }


def test_the_lead_stands_beside_the_searches_of_summaries_alone(bot: Chatbot) -> None:
    mill = "The mill, near Pinmoor, is open."
    pairs = [
        Pair(mill, "The mill is open again.", 0, ("Any news?",)),
        Pair(mill, "Mill opens", 1, ("Any news?",)),
        Pair(" Rain.", "Rain all week", 2),
    ]
    gathered, seen = gather_references(pairs), np.array([True, False])
    figures, material = evaluate(bot, gathered, [], seen, None, "summarising")
    lead = figures["lead"]
    assert lead["words"] == 3  # of 5, 2 and 3
    assert material.lead is not None
    assert material.lead.replies.texts == ["The mill, near", " Rain."]
    # F1 is twice what is common over both lengths: 2 of 3 and 5 words, 1 of 1 and 3; 1 of 2 and 4
    # pairs of words, none.
    expected = {"rouge_1": 50.0, "rouge_2": 100 / 3 / 2, "rouge_l": 50.0}
    assert {name: lead[name] for name in expected} == pytest.approx(expected)
    assert set(lead["intervals"]) == set(expected)
    assert lead["unseen"]["rouge_2"] == 0.0
    assert list(figures["searches"]) == ["greedy", "beam 3"]
    json.dumps(figures, allow_nan=False)
    all_seen, _ = evaluate(bot, gathered, [], np.array([True, True]), None, "summarising")
    assert all_seen["lead"] == {**lead, "unseen": None}
    for task in ("chat", "translation"):
        others, material = evaluate(bot, gathered, [], seen, None, task)
        assert "lead" not in others
        assert material.lead is None


class WrittenBot:
    """Replies what is written down, and remembers what it was asked."""

    def __init__(self, replies: dict[int, list[list[Reply]]]) -> None:
        self.vocabulary = Vocabulary(SPECIAL_TOKENS)
        self.asked: list[tuple[int, dict[str, Any]]] = []
        self._replies = replies

    def replies(self, queries: Sequence[Query], **settings: Any) -> list[list[Reply]]:
        self.asked.append((len(queries), settings))
        written = self._replies[settings["beam_size"]]
        return [
            [dataclasses.replace(reply, tokens=tuple(tokenize(reply.text))) for reply in found]
            for found in (written[int("".join(query) or 0)] for query in queries)
        ]


def test_a_search_takes_the_first_reply_of_every_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOW", 4)
    written = [[Reply(f"R {n}", -2.0 - n, 0.0), Reply("other", -1.0 - n, -1.0)] for n in range(10)]
    bot = WrittenBot({7: written})
    search = Search("s", {"beam_size": 7, "length_penalty": 0.5})
    found = run_search(cast(Any, bot), [str(n) for n in range(10)], search)
    assert found.texts == [f"R {n}" for n in range(10)]
    assert found.spelled[3] == "r 3"
    assert found.log_probs.tolist() == [-2.0 - n for n in range(10)]
    assert found.best_log_probs.tolist() == [-1.0 - n for n in range(10)]
    assert found.seconds > 0
    # The first is for the graphs.
    assert bot.asked == [(size, dict(search.settings)) for size in (1, 4, 4, 2)]


def test_a_beam_that_finds_less_likely_replies_is_pointed_out(
    bot: Chatbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    greedy, below, above = ([[Reply("a", log_prob, 0.0)]] * 2 for log_prob in (-2.0, -2.5, -1.0))
    for beam, notes in ((below, 1), (above, 0)):
        written = WrittenBot({1: greedy, 3: beam})
        monkeypatch.setattr(bot, "replies", written.replies)
        seen = np.array([True, False])
        figures, _ = evaluate(bot, make_corpus([("0", "x"), ("1", "a")]), [], seen)
        assert sum("look into the search" in note for note in figures["notes"]) == notes
    assert figures["searches"]["greedy"]["mean_log_prob"] == -2.0
    assert figures["greedy_equals_beam_share"] == 1.0
    assert figures["searches"]["greedy"]["recall"] == 0.5
    assert figures["searches"]["greedy"]["unseen"]["recall"] == 1.0


def test_pairs_are_known_again_by_their_tokens(tmp_path: Path) -> None:
    learned = [("how are you ?", "fine , thanks"), ("你好", "再见")]
    content = b"".join(hash_pair(tokenize(query), tokenize(reply)) for query, reply in learned)
    (tmp_path / "pairs").write_bytes(content)
    asked = make_corpus(
        [
            ("How are you?", " FINE, thanks"),
            ("fine , thanks", "how are you ?"),
            ("how are you ?", "fine , thanks ."),
            ("你 好", "再见"),
        ]
    )
    found = find_seen(asked, tmp_path / "pairs")
    assert found is not None
    assert found.tolist() == [True, False, False, True]
    assert find_seen(asked, tmp_path / "none") is None
