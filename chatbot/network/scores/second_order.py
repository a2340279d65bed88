"""Products of pairs of the query's and of the memory's elements."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.scores.base import Multiply, Score
from chatbot.network.variables import Matrix


class SecondOrder(Score):
    """q . M m + (A q o B q) . (C m o D m), where o multiplies element by element.

    Luong's general score and a term of second order in query and memory, as in (q o W q) . (m o V
    m) but of rank R = U / 4: the sum over r of (a_r . q) (b_r . q) (c_r . m) (d_r . m). So the term
    has U^2 variables, as many as M. It is small at first, and the score begins as Luong's.

    Attributes:
        memory_layer: M, `float32 [U, U]`.
        query_layer: A and B side by side, `float32 [U, 2 * R]`.
        pair_layer: C and D side by side, `float32 [U, 2 * R]`.
    """

    def _make_variables(self, units: int, seeds: Random) -> None:
        rank = max(1, units // 4)
        self.memory_layer = Matrix(units, units, seeds)
        self.query_layer = Matrix(units, 2 * rank, seeds)
        self.pair_layer = Matrix(units, 2 * rank, seeds)

    def prepare(
        self, memory: tf.Tensor, multiply: Multiply, shared: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Score`; the keys are `[B, S, U + R]`."""
        first, pairs = (
            tf.cast(multiply(name, memory), tf.float32) for name in ("memory_layer", "pair_layer")
        )
        return memory, tf.concat([first, multiply_halves(pairs)], axis=-1)

    def score(self, query: tf.Tensor, projected: Any, keys: tf.Tensor, shared: Any) -> tf.Tensor:
        """As in `Score`."""
        both = tf.concat([query, multiply_halves(projected)], axis=-1)
        return tf.matmul(both, keys, transpose_b=True)


def multiply_halves(pairs: tf.Tensor) -> tf.Tensor:
    """Multiplies the halves of `float32 [..., 2 * R]` element by element."""
    one, other = tf.split(pairs, 2, axis=-1)
    return one * other
