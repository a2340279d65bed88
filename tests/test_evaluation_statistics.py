from __future__ import annotations

import math

import numpy as np
import pytest

from chatbot.evaluation import statistics
from chatbot.evaluation.replies import list_signatures, score_overlap, spell
from chatbot.evaluation.statistics import (
    estimate_interval,
    measure_commonest_share,
    measure_distinct,
)


def test_distinct_counts_n_grams_within_replies_only() -> None:
    replies = ["a b a b".split(), "b a".split(), ["c"], []]
    assert measure_distinct(replies, 1) == 3 / 7
    assert measure_distinct(replies, 2) == 2 / 4  # ab, ba, ab and ba
    assert measure_distinct(replies, 4) == 1.0
    assert measure_distinct(replies, 5) == 0.0


def test_the_ten_commonest_are_counted_as_often_as_they_occur() -> None:
    replies = [str(number) for number in range(12)] + ["0", "0", "1"]
    assert measure_commonest_share(replies) == (3 + 2 + 8) / 15
    assert measure_commonest_share(["x", "y", "x"]) == 1.0


def test_equal_pairs_leave_no_doubt() -> None:
    low, high = estimate_interval(np.full(7, 6.0), np.full(7, 3))
    assert (low, high) == (2.0, 2.0)
    assert estimate_interval(np.array([5.0]), np.array([2])) == (2.5, 2.5)


def test_an_interval_is_a_quotient_of_sums_by_pairs() -> None:
    # With two pairs a draw has the first one twice, both, or the second one twice; a quarter of all
    # draws is far more than 2.5 %, so the interval ends at the two pairs' own means.
    low, high = estimate_interval(np.array([2.0, 90.0]), np.array([2, 30]))
    assert (low, high) == (1.0, 3.0)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(5)
    covered = 0
    for seed in range(200):
        tokens = generator.integers(1, 9, 120)
        losses = generator.gamma(2.0, 1.5, 120) * tokens  # a mean of 3 nats a token
        low, high = estimate_interval(losses, tokens, seed)
        covered += low < 3.0 < high
    # 190 of 200 are expected; a binomial is within four standard deviations, and the percentile
    # bootstrap falls a little short for skewed samples of this size.
    assert 175 <= covered <= 200


def test_an_interval_narrows_with_the_square_root_of_the_pairs() -> None:
    generator = np.random.default_rng(6)
    losses, tokens = generator.normal(8.0, 1.0, 6400), np.full(6400, 4)
    widths = [
        np.subtract(*estimate_interval(losses[:size], tokens[:size])[::-1]) for size in (100, 6400)
    ]
    assert widths[0] / widths[1] == pytest.approx(8.0, rel=0.25)
    expected = 2 * 1.96 * 0.25 / math.sqrt(6400)
    assert widths[1] == pytest.approx(expected, rel=0.1)


def test_draws_in_pieces_are_enough_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    losses, tokens = np.arange(50.0), np.full(50, 2)
    whole = estimate_interval(losses, tokens)
    monkeypatch.setattr(statistics, "_DRAWN_AT_ONCE", 350)  # seven at a time, and five at last
    assert estimate_interval(losses, tokens) == whole


def count_grams(tokens: list[str], size: int) -> dict[tuple[str, ...], int]:
    grams: dict[tuple[str, ...], int] = {}
    for start in range(len(tokens) - size + 1):
        gram = tuple(tokens[start : start + size])
        grams[gram] = grams.get(gram, 0) + 1
    return grams


def compute_bleu(replies: list[str], expected: list[str]) -> float:
    """Papineni et al. 2002, of the whole corpus."""
    logs = 0.0
    for size in range(1, 5):
        right = every = 0
        for reply, own in zip(replies, expected):
            said, known = count_grams(reply.split(), size), count_grams(own.split(), size)
            right += sum(min(count, known.get(gram, 0)) for gram, count in said.items())
            every += sum(said.values())
        logs += math.log(right / every) / 4
    said_length = sum(len(reply.split()) for reply in replies)
    own_length = sum(len(own.split()) for own in expected)
    return 100 * math.exp(logs + min(0.0, 1 - own_length / said_length))


def test_bleu_is_that_of_the_whole_corpus_over_our_tokens() -> None:
    replies = ["I don't know what you mean.", "你好，我是皮皮。", "Yes"]
    expected = ["i DON’T know what that is .", "你好，我是皮皮！", "no , thank you"]
    spelled, own = [spell(text) for text in replies], [spell(text) for text in expected]
    assert spelled[1] == "你 好 , 我 是 皮 皮 。"
    found = score_overlap(spelled, own)
    assert found["bleu"] == pytest.approx(compute_bleu(spelled, own), rel=1e-9)
    assert 0 < found["chrf"] < 100
    assert score_overlap(own, own) == {"bleu": pytest.approx(100), "chrf": pytest.approx(100)}


def test_nothing_said_scores_nothing() -> None:
    assert score_overlap(["", ""], ["a b c d", "e"]) == {"bleu": 0.0, "chrf": 0.0}


def test_signatures_tell_how_the_scores_were_made() -> None:
    signatures = list_signatures()
    assert "tok:none" in signatures["bleu"]
    assert "nrefs:1" in signatures["bleu"]
    assert "nc:6" in signatures["chrf"]
    assert all("version:2.6.0" in signature for signature in signatures.values())
