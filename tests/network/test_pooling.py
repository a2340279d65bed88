from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from chatbot.network.pooling import AttentionPooling, attend
from chatbot.network.scores import Score
from tests.conftest import U, randomise

B, N, S = 3, 2, 5
LENGTHS = (5, 1, 3)
SCORES = pytest.mark.parametrize("score", ["bahdanau", "luong"])


def draw(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0.0, 1.0, shape).astype(np.float32)


def make_pooling(score: str) -> AttentionPooling:
    pooling = AttentionPooling(score, U, Random(0), N)
    randomise(pooling.trainable_variables, 1)
    return pooling


def score_by_hand(attention: Score, query: Any, step: Any) -> float:
    key = step @ attention.matrices()["memory_layer"].numpy()
    if "query_layer" not in attention.matrices():
        return float(query @ key)
    vector: Any = attention.shared()["vector"]
    projected = query @ attention.matrices()["query_layer"].numpy()
    return float(vector.numpy() @ np.tanh(projected + key))


@SCORES
@pytest.mark.parametrize("graph", [False, True])
def test_pooling_is_the_formula_over_the_real_steps(score: str, graph: bool) -> None:
    pooling, memory = make_pooling(score), draw(B, S, U)
    call = tf.function(pooling, autograph=False) if graph else pooling
    contexts, weights = call(tf.constant(memory), tf.constant(LENGTHS))
    assert weights.shape == [B, N, S]
    for row, length in enumerate(LENGTHS):
        for place, query in enumerate(pooling.queries.numpy()):
            steps = memory[row, :length]
            scores = np.exp([score_by_hand(pooling.attention, query, step) for step in steps])
            expected = scores / scores.sum()
            np.testing.assert_allclose(weights[row, place, :length], expected, rtol=1e-4)
            np.testing.assert_array_equal(weights[row, place, length:], 0.0)
            np.testing.assert_allclose(contexts[row, place], expected @ steps, rtol=1e-4, atol=1e-5)


@SCORES
def test_what_lies_behind_the_length_changes_nothing(score: str) -> None:
    pooling, memory = make_pooling(score), draw(B, S, U)
    filled = memory.copy()
    for row, length in enumerate(LENGTHS):
        filled[row, length:] = 1e6
    found, other = (pooling(tf.constant(x), tf.constant(LENGTHS)) for x in (memory, filled))
    np.testing.assert_array_equal(found[0], other[0])
    alone = pooling(tf.constant(memory[2:, :3]), tf.constant([3]))
    np.testing.assert_allclose(found[0][2:], alone[0], rtol=1e-5, atol=1e-6)


@SCORES
def test_order_of_the_steps_only_moves_the_weights(score: str) -> None:
    pooling, memory, order = make_pooling(score), draw(B, S, U), [3, 0, 4, 2, 1]
    whole = tf.constant([S] * B)
    contexts, weights = pooling(tf.constant(memory), whole)
    moved, others = pooling(tf.constant(memory[:, order]), whole)
    np.testing.assert_allclose(contexts, moved, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(weights.numpy()[..., order], others, rtol=1e-4, atol=1e-6)


@SCORES
def test_every_query_of_a_row_is_its_own(score: str) -> None:
    pooling, memory, queries = make_pooling(score), draw(B, S, U), draw(B, 4, U, seed=2)
    lengths = tf.constant(LENGTHS)
    together, _ = attend(pooling.attention, tf.constant(queries), tf.constant(memory), lengths)
    for place in range(4):
        one = tf.constant(queries[:, place : place + 1])
        alone, _ = attend(pooling.attention, one, tf.constant(memory), lengths)
        np.testing.assert_allclose(together[:, place], alone[:, 0], rtol=1e-4, atol=1e-5)


@SCORES
def test_every_variable_learns(score: str) -> None:
    pooling = make_pooling(score)
    with tf.GradientTape() as tape:
        contexts, _ = pooling(tf.constant(draw(B, S, U)), tf.constant(LENGTHS))
        loss = tf.reduce_sum(contexts**2)
    gradients = tape.gradient(loss, pooling.trainable_variables)
    assert len(gradients) == (4 if score == "bahdanau" else 2)
    assert all(float(tf.norm(gradient)) > 1e-3 for gradient in gradients)
