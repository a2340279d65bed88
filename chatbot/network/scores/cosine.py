"""The angle between query and keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.scores.base import Multiply, Score, make_scalar
from chatbot.network.variables import Matrix

SHARPNESS = 8.0
"""At first; with 1 the weights of any two tokens would differ by a factor of at most e^2."""
LEAST = 1e-6
"""Added to lengths."""


class Cosine(Score):
    """beta cos(W q, M m), with beta = log(1 + e^b): Graves et al. 2014, equation 5.

    "Neural Turing Machines", where each step chooses its beta.

    Attributes:
        memory_layer: M, `float32 [U, U]`.
        query_layer: W, `float32 [U, U]`.
        attention_b: b, `float32 []`.
    """

    def _make_variables(self, units: int, seeds: Random) -> None:
        self.memory_layer = Matrix(units, units, seeds)
        self.query_layer = Matrix(units, units, seeds)
        self.attention_b = make_scalar(math.log(math.expm1(SHARPNESS)))

    def shared(self) -> dict[str, tf.Tensor]:
        """As in `Score`."""
        return {"scale": tf.math.softplus(self.attention_b)}

    def prepare(
        self, memory: tf.Tensor, multiply: Multiply, shared: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Score`."""
        keys = tf.cast(multiply("memory_layer", memory), tf.float32)
        return memory, shared["scale"] * normalise(keys)

    def score(self, query: Any, projected: Any, keys: tf.Tensor, shared: Any) -> tf.Tensor:
        """As in `Score`."""
        return tf.matmul(normalise(projected), keys, transpose_b=True)


def normalise(vectors: tf.Tensor) -> tf.Tensor:
    """Divides vectors `float32 [..., U]` by their lengths."""
    # The root's gradient at 0 is infinite.
    lengths = tf.sqrt(tf.reduce_sum(tf.square(vectors), axis=-1, keepdims=True) + LEAST**2)
    return vectors / (lengths + LEAST)
