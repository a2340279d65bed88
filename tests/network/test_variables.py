"""First weights: those of Keras 2.15, to the bit, and what their distributions promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.network.variables import (
    LSTMVariables,
    draw_glorot,
    draw_orthogonal,
    draw_truncated_normal,
)

IS_KERAS_2 = tf.__version__.startswith("2.15")
SHAPES = [(7, 5), (12, 48), (48, 12), (9, 9)]
seed = Random(5).randrange(2**31)


def draw_small(shape: Sequence[int], seeds: Random) -> tf.Tensor:
    return draw_truncated_normal(shape, 0.1, seeds)


@pytest.mark.skipif(not IS_KERAS_2, reason="Keras 3 draws other numbers")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("draw", "initializer"),
    [
        (draw_glorot, lambda: tf.keras.initializers.GlorotUniform(seed)),
        (draw_orthogonal, lambda: tf.keras.initializers.Orthogonal(seed=seed)),
        (draw_small, lambda: tf.keras.initializers.TruncatedNormal(stddev=0.1, seed=seed)),
    ],
)
def test_bits_are_those_of_keras(
    draw: Callable[..., Any], initializer: Callable[[], Any], shape: tuple[int, int]
) -> None:
    np.testing.assert_array_equal(draw(shape, Random(5)), initializer()(shape))


@pytest.mark.skipif(not IS_KERAS_2, reason="Keras 3 draws other numbers")
def test_a_vector_and_a_cell_are_those_of_keras() -> None:
    vector = tf.keras.initializers.GlorotUniform(seed)((9,))
    np.testing.assert_array_equal(draw_glorot([9], Random(5)), vector)
    seeds = Random(5)
    cell = tf.keras.layers.LSTMCell(
        4,
        kernel_initializer=tf.keras.initializers.GlorotUniform(seeds.randrange(2**31)),
        recurrent_initializer=tf.keras.initializers.Orthogonal(seed=seeds.randrange(2**31)),
    )
    cell.build([None, 3])
    for mine, theirs in zip(LSTMVariables(3, 4, Random(5)).listed(), cell.trainable_variables):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


@pytest.mark.parametrize("shape", SHAPES)
def test_distributions(shape: tuple[int, int]) -> None:
    limit = np.sqrt(6 / sum(shape))
    glorot = np.asarray(draw_glorot(shape, Random(5)))
    assert limit * 0.8 < np.abs(glorot).max() <= limit
    matrix = np.asarray(draw_orthogonal(shape, Random(5)))
    product = matrix @ matrix.T if shape[0] < shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-5)
    small = np.asarray(draw_small(shape, Random(5)))
    assert 0.1 < np.abs(small).max() <= 0.2
