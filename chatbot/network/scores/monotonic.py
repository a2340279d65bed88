"""Attention that only moves on: Raffel et al. 2017.

"Online and Linear-Time Attention by Enforcing Monotonic Alignments". Of a score e, the decoder
stops at token j with probability p_j = sigmoid(e_j), beginning at the token where it stopped
before. What is weighed by is the probability of stopping at each token,

    a_j = p_j c_j (sum over i <= j of a'_i / c_i),    c_j = product over i < j of 1 - p_i,

with a' of the step before, at first 1 for the first token; the weights may add up to less than 1.
The score has an offset r, which begins at -4: at first the decoder hardly stops before the end.
There is no noise in training, and replies weigh by the same probabilities. Both classes are
those of the same names in tensorflow_addons, in their mode "parallel".
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.scores.additive import NormedBahdanau
from chatbot.network.scores.base import Attended, Multiply, Score, make_scalar
from chatbot.network.scores.multiplicative import ScaledLuong

OFFSET = -4.0
LEAST = 1e-10
"""What divides is at least this."""


class _Monotonic(Score):
    """What both have: the offset, and what follows the score. Carries the weights.

    Attributes:
        attention_score_bias: r, `float32 []`.
    """

    by_hand = ""
    carries = True

    def _make_variables(self, units: int, seeds: Random) -> None:
        super()._make_variables(units, seeds)
        self.attention_score_bias = make_scalar(OFFSET)

    def shared(self) -> dict[str, tf.Tensor]:
        """As in `Score`."""
        return {**super().shared(), "offset": tf.identity(self.attention_score_bias)}

    def start(self, padding: tf.Tensor) -> tf.Tensor:
        """As in `Score`: `[B, S]`."""
        rows, _, steps = tf.unstack(tf.shape(padding))
        return tf.one_hot(tf.zeros([rows], tf.int32), steps)

    def compute(
        self,
        query: tf.Tensor,
        projected: Any,
        attended: Attended,
        shared: Mapping[str, tf.Tensor],
        carried: Any,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Score`."""
        scores = self.score(query, projected, attended.keys, shared) + shared["offset"]
        weights = move_on(tf.sigmoid(scores + attended.padding), carried)
        return weights, weights


class Monotonic(_Monotonic, NormedBahdanau):
    """Over Bahdanau's normalised score, with which Raffel et al. train."""


class LuongMonotonic(_Monotonic, ScaledLuong):
    """Over Luong's scaled score."""

    def prepare(
        self, memory: tf.Tensor, multiply: Multiply, shared: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Score`, in float32."""
        return memory, shared["scale"] * tf.cast(multiply("memory_layer", memory), tf.float32)


def move_on(stops: tf.Tensor, before: tf.Tensor) -> tf.Tensor:
    """Computes a, all `float32 [B, N, S]`, from p and a'."""
    going = tf.clip_by_value(1.0 - stops, stops.dtype.as_numpy_dtype(2.0**-126), 1.0)
    passed = tf.exp(tf.cumsum(tf.math.log(going), axis=-1, exclusive=True))
    arrived = tf.cumsum(before / tf.clip_by_value(passed, LEAST, 1.0), axis=-1)
    return stops * passed * arrived
