from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from chatbot.search.hypotheses import count_before_end, length_normalised, rank
from chatbot.text import EOS
from tests.search.oracles import score_normalised

ids_lists = st.lists(st.lists(st.integers(-1, 6), min_size=5, max_size=5), min_size=1, max_size=6)


def count_by_hand(row: list[int]) -> int:
    return next((place for place, word in enumerate(row) if word in (EOS, -1)), len(row))


@pytest.mark.parametrize(
    ("row", "length"),
    [
        ([5, 6, EOS, EOS], 2),
        ([5, 6, EOS, 7], 2),  # what a finished greedy search says later is not part of the reply
        ([5, -1, -1, -1], 1),  # what tfa writes behind a beam's end
        ([-1, 5, EOS, 5], 0),
        ([EOS, -1, -1, -1], 0),
        ([5, 6, 7, 8], 4),  # cut at the greatest length
        ([0, 1, 3, EOS], 3),  # other special tokens count as words
    ],
)
def test_a_reply_ends_before_its_first_end_token_or_minus_one(row: list[int], length: int) -> None:
    assert count_before_end(tf.constant([row])).numpy() == [length]


@given(ids_lists)
def test_count_before_end_equals_a_walk_over_each_row(rows: list[list[int]]) -> None:
    counts = count_before_end(tf.constant(rows))
    np.testing.assert_array_equal(counts, [count_by_hand(row) for row in rows])


@given(st.floats(-50, 0, width=32), st.integers(0, 40), st.sampled_from([0.0, 0.6, 1.0, 2.0]))
def test_score_is_the_stated_formula(log_prob: float, words: int, penalty: float) -> None:
    score = length_normalised(tf.constant(log_prob), tf.constant(words), penalty)
    assert math.isclose(
        score, score_normalised(log_prob, words, penalty), rel_tol=1e-5, abs_tol=1e-30
    )


def test_score_by_hand() -> None:
    # Six words and the end token: ((5 + 7) / 6) ** 1 = 2; none and the end token: 1.
    scores = length_normalised(tf.constant([-3.0, -3.0]), tf.constant([6, 0]), 1.0)
    np.testing.assert_allclose(scores, [-1.5, -3.0])
    squared = length_normalised(tf.constant([-3.0]), tf.constant([6]), 2.0)
    np.testing.assert_allclose(squared, [-0.75])


def test_length_penalty_can_turn_the_order_round() -> None:
    ids = tf.constant([[[EOS, EOS, EOS, EOS, EOS, EOS], [5, 6, 7, 8, 9, 10]]])
    log_probs = tf.constant([[-2.0, -3.0]])
    np.testing.assert_array_equal(rank(ids, log_probs, 0.0).lengths, [[0, 6]])
    found = rank(ids, log_probs, 1.0)
    np.testing.assert_array_equal(found.lengths, [[6, 0]])
    np.testing.assert_array_equal(found.ids[0, 0], [5, 6, 7, 8, 9, 10])
    np.testing.assert_allclose(found.log_probs, [[-3.0, -2.0]])
    np.testing.assert_allclose(found.scores, [[-1.5, -2.0]])


@given(ids_lists, st.integers(0, 99))
def test_ranked_hypotheses_are_the_given_ones_cut_and_sorted(
    rows: list[list[int]], seed: int
) -> None:
    log_probs = -np.random.default_rng(seed).exponential(5, len(rows)).astype(np.float32)
    found = rank(tf.constant([rows]), tf.constant([log_probs]), 1.0)
    assert np.all(np.diff(found.scores[0]) <= 0)

    def cut(ids: Any, length: int) -> tuple[int, ...]:
        return tuple(int(word) for word in ids[:length])

    given_ones = sorted((cut(row, count_by_hand(row)), p) for row, p in zip(rows, log_probs))
    ranked = zip(found.ids[0].numpy(), found.lengths[0].numpy(), found.log_probs[0].numpy())
    assert sorted((cut(ids, length), p) for ids, length, p in ranked) == given_ones
    behind = np.arange(5) >= found.lengths[0].numpy()[:, None]
    assert np.all(found.ids[0].numpy()[behind] == EOS)


def test_hypotheses_that_do_not_exist_come_last() -> None:
    ids = tf.constant([[[5, 6], [7, EOS]]])
    found = rank(ids, tf.constant([[-np.inf, -9.0]]), 1.0)
    np.testing.assert_array_equal(found.ids[0, 0], [7, EOS])
    assert found.scores[0, 1] == -np.inf


def test_each_query_is_ranked_by_itself() -> None:
    ids = tf.constant([[[5], [6]], [[7], [8]]])
    found = rank(ids, tf.constant([[-1.0, -2.0], [-4.0, -3.0]]), 0.0)
    np.testing.assert_array_equal(found.ids[..., 0], [[5, 6], [8, 7]])
