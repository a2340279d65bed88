"""Attention to a window of the memory: the local attention of Luong et al. 2015, section 3.2.

"Effective Approaches to Attention-based Neural Machine Translation". The window's middle p goes
from 0 to the row's real length S; tokens further than D = `--attention_window` from it have no
weight. The score is the general one.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.scores.base import Attended, Multiply, count_real
from chatbot.network.scores.multiplicative import Luong
from chatbot.network.variables import Matrix, draw_glorot
from chatbot.settings.config import ModelConfig


class LocalM(Luong):
    """The window moves with the reply: p = t, from 0, and stays on the last token in the end.

    Carries t.

    Attributes:
        memory_layer: M, `float32 [U, U]`.
    """

    by_hand = ""
    carries = True

    def __init__(self, config: ModelConfig, seeds: Random) -> None:
        super().__init__(config, seeds)
        self._window = float(config.attention_window)

    def prepare(
        self, memory: tf.Tensor, multiply: Multiply, shared: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Score`."""
        return memory, tf.cast(multiply("memory_layer", memory), tf.float32)

    def start(self, padding: tf.Tensor) -> tf.Tensor:
        """As in `Score`: `[B, 1]`."""
        return tf.zeros_like(padding[:, :, 0])

    def compute(
        self,
        query: tf.Tensor,
        projected: Any,
        attended: Attended,
        shared: Mapping[str, tf.Tensor],
        carried: Any,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Score`."""
        middle = tf.minimum(carried, count_real(attended.padding) - 1.0)
        weights, _ = self._look(query, middle, attended)
        return weights, carried + 1.0

    def _look(
        self, query: tf.Tensor, middle: tf.Tensor, attended: Attended
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns weights within the window, and distances from a middle `[B, N, 1]`."""
        distances = find_places(attended.padding) - middle
        inside = tf.abs(distances) <= self._window
        scores = self.score(query, None, attended.keys, {}) + attended.padding
        return tf.nn.softmax(tf.where(inside, scores, tf.float32.min)), distances


class LocalP(LocalM):
    """The window is where the query says: p = S sigmoid(v . tanh(W q)).

    The softmax is multiplied by exp(-(j - p)^2 / (2 s^2)), s = D / 2, so the weights add up to less
    than 1.

    Attributes:
        memory_layer: M, `float32 [U, U]`.
        query_layer: W, `float32 [U, U]`.
        attention_v: v, `float32 [U]`.
    """

    carries = False

    def _make_variables(self, units: int, seeds: Random) -> None:
        super()._make_variables(units, seeds)
        self.query_layer = Matrix(units, units, seeds)
        self.attention_v = tf.Variable(draw_glorot([units], seeds))

    def shared(self) -> dict[str, tf.Tensor]:
        """As in `Score`."""
        return {"vector": tf.identity(self.attention_v)}

    def compute(
        self,
        query: tf.Tensor,
        projected: Any,
        attended: Attended,
        shared: Mapping[str, tf.Tensor],
        carried: Any,
    ) -> tuple[tf.Tensor, Any]:
        """As in `Score`."""
        place = tf.tensordot(tf.tanh(projected), shared["vector"][:, tf.newaxis], 1)
        middle = count_real(attended.padding) * tf.sigmoid(place)
        weights, distances = self._look(query, middle, attended)
        return weights * tf.exp(-2.0 * tf.square(distances / self._window)), None


def find_places(padding: tf.Tensor) -> tf.Tensor:
    """Numbers the tokens of the memory from 0: `float32 [S]` of a padding `[B, 1, S]`."""
    return tf.range(tf.cast(tf.shape(padding)[-1], tf.float32))
