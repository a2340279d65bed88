"""A score that sees where the step before has looked."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.scores.additive import Bahdanau, squash
from chatbot.network.scores.base import Attended
from chatbot.network.variables import Matrix, draw_glorot

FILTERS, REACH = 10, 5
"""How many filters, and how many tokens to either side they see."""


class Location(Bahdanau):
    """v . tanh(W q + M m_j + Q f_j + b), f = F * a', with the weights a' of the step before.

    Chorowski et al. 2015, "Attention-Based Models for Speech Recognition", equation 9; * is a
    convolution. Carries the weights, at first 0.

    Attributes:
        attention_b: b, `float32 [U]`.
        filters: F, `float32 [2 * REACH + 1, FILTERS]`.
        filter_layer: Q, `float32 [FILTERS, U]`.
    """

    by_hand = ""
    carries = True

    def _make_variables(self, units: int, seeds: Random) -> None:
        super()._make_variables(units, seeds)
        self.attention_b = tf.Variable(tf.zeros([units]))
        self.filters = tf.Variable(draw_glorot([2 * REACH + 1, FILTERS], seeds))
        self.filter_layer = Matrix(FILTERS, units, seeds)

    def shared(self) -> dict[str, tf.Tensor]:
        """As in `Score`; F and Q are one matrix for all steps."""
        bias = tf.identity(self.attention_b)
        both = tf.matmul(self.filters, self.filter_layer.kernel)
        return {**super().shared(), "bias": bias, "filters": both}

    def matrices(self) -> dict[str, tf.Tensor]:
        """As in `Score`."""
        return {name: getattr(self, name).kernel for name in ("memory_layer", "query_layer")}

    def start(self, padding: tf.Tensor) -> tf.Tensor:
        """As in `Score`: `[B, S]`."""
        return tf.zeros_like(padding[:, 0])

    def compute(
        self,
        query: tf.Tensor,
        projected: Any,
        attended: Attended,
        shared: Mapping[str, tf.Tensor],
        carried: Any,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Score`."""
        steps = tf.shape(carried)[-1]
        wide = tf.pad(carried, [[0, 0], [0, 0], [REACH, REACH]])
        seen = tf.stack([wide[:, :, i : i + steps] for i in range(2 * REACH + 1)], axis=-1)
        found = tf.tensordot(seen, shared["filters"], 1)
        inner = attended.keys[:, tf.newaxis] + projected[:, :, tf.newaxis] + found
        weights = tf.nn.softmax(squash(inner, shared) + attended.padding)
        return weights, weights
