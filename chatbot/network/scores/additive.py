"""A small network of query and keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.scores.base import Multiply, Score, make_scalar
from chatbot.network.variables import Matrix, draw_glorot


class Bahdanau(Score):
    """v . tanh(W q + M m), with the memory m: the score of Bahdanau et al. 2015.

    "Neural Machine Translation by Jointly Learning to Align and Translate"; there q is the state
    before the step, here as in Luong et al. 2015 the output of the step itself.

    Attributes:
        memory_layer: M, `float32 [U, U]`.
        query_layer: W, `float32 [U, U]`.
        attention_v: v, `float32 [U]`.
    """

    by_hand = "additive"

    def _make_variables(self, units: int, seeds: Random) -> None:
        self.memory_layer = Matrix(units, units, seeds)
        self.query_layer = Matrix(units, units, seeds)
        self.attention_v = tf.Variable(draw_glorot([units], seeds))

    def shared(self) -> dict[str, tf.Tensor]:
        """As in `Score`."""
        return {"vector": tf.identity(self.attention_v)}

    def prepare(
        self, memory: tf.Tensor, multiply: Multiply, shared: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Score`."""
        keys = tf.cast(multiply("memory_layer", memory), tf.float32)
        return memory, keys + shared["bias"] if "bias" in shared else keys

    def score(
        self, query: Any, projected: Any, keys: tf.Tensor, shared: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """As in `Score`."""
        return squash(keys[:, tf.newaxis] + projected[:, :, tf.newaxis], shared)


def squash(inner: tf.Tensor, shared: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Computes v . tanh(x), from `float32 [B, N, S, U]` to `[B, N, S]`."""
    # Not by `tf.linalg.matvec`: TensorFlow 2.21's broadcast products corrupt memory.
    return tf.tensordot(tf.tanh(inner), shared["vector"], 1)


class NormedBahdanau(Bahdanau):
    """g v / |v| . tanh(W q + M m + b): Bahdanau's with weight normalisation.

    Salimans and Kingma 2016, "Weight Normalization"; `BahdanauAttention(normalize=True)` of
    tensorflow_addons, as whose g begins at sqrt(1 / U) and b at 0.

    Attributes:
        attention_g: g, `float32 []`.
        attention_b: b, `float32 [U]`.
    """

    def _make_variables(self, units: int, seeds: Random) -> None:
        super()._make_variables(units, seeds)
        self.attention_g = make_scalar(math.sqrt(1.0 / units))
        self.attention_b = tf.Variable(tf.zeros([units]))

    def shared(self) -> dict[str, tf.Tensor]:
        """As in `Score`."""
        length = tf.math.rsqrt(tf.reduce_sum(tf.square(self.attention_v)))
        vector = self.attention_g * self.attention_v * length
        return {"vector": vector, "bias": tf.identity(self.attention_b)}


class Concat(Bahdanau):
    """v . tanh(W [q; m]): the concat score of Luong et al. 2015, equation 8.

    W [q; m] is Bahdanau's W q + M m; what differs is how far from 0 one wide matrix begins.

    Attributes:
        joint_layer: W, `float32 [2 * U, U]`, for the query and then the memory.
    """

    def _make_variables(self, units: int, seeds: Random) -> None:
        self.joint_layer = Matrix(2 * units, units, seeds)
        self.attention_v = tf.Variable(draw_glorot([units], seeds))

    def matrices(self) -> dict[str, tf.Tensor]:
        """As in `Score`: the two halves."""
        query, memory = tf.split(self.joint_layer.kernel, 2)
        return {"query_layer": query, "memory_layer": memory}
