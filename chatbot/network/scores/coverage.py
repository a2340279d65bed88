"""A score that sees what the steps before have looked at."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.scores.additive import Bahdanau, squash
from chatbot.network.scores.base import Attended
from chatbot.network.variables import draw_glorot


class Coverage(Bahdanau):
    """v . tanh(W q + M m_j + w C_j + b), C the sum of the weights of all steps before.

    See et al. 2017, "Get To The Point", equation 11; `losses.coverage_losses` is their loss for
    looking twice. Carries C.

    Attributes:
        attention_b: b, `float32 [U]`.
        coverage_w: w, `float32 [U]`.
    """

    by_hand = ""
    carries = True

    def _make_variables(self, units: int, seeds: Random) -> None:
        super()._make_variables(units, seeds)
        self.attention_b = tf.Variable(tf.zeros([units]))
        self.coverage_w = tf.Variable(draw_glorot([units], seeds))

    def shared(self) -> dict[str, tf.Tensor]:
        """As in `Score`."""
        bias, coverage = (tf.identity(x) for x in (self.attention_b, self.coverage_w))
        return {**super().shared(), "bias": bias, "coverage": coverage}

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
        seen = carried[..., tf.newaxis] * shared["coverage"]
        inner = attended.keys[:, tf.newaxis] + projected[:, :, tf.newaxis] + seen
        weights = tf.nn.softmax(squash(inner, shared) + attended.padding)
        return weights, carried + weights
