"""Products of query and keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.scores.base import Multiply, Score, make_scalar
from chatbot.network.variables import Matrix


class Luong(Score):
    """q . M m, with the memory m: the general score of Luong et al. 2015, equation 8.

    "Effective Approaches to Attention-based Neural Machine Translation".

    Attributes:
        memory_layer: M, `float32 [U, U]`.
    """

    by_hand = "multiplicative"

    def _make_variables(self, units: int, seeds: Random) -> None:
        self.memory_layer = Matrix(units, units, seeds)

    def prepare(
        self, memory: tf.Tensor, multiply: Multiply, shared: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Score`; the keys keep the memory's type."""
        return memory, tf.cast(multiply("memory_layer", memory), memory.dtype)

    def score(self, query: tf.Tensor, projected: Any, keys: tf.Tensor, shared: Any) -> tf.Tensor:
        """As in `Score`."""
        return tf.cast(tf.matmul(query, keys, transpose_b=True), tf.float32)


class ScaledLuong(Luong):
    """g q . M m; g begins at 1: `LuongAttention(scale=True)` of tensorflow_addons.

    Attributes:
        attention_g: g, `float32 []`.
    """

    def _make_variables(self, units: int, seeds: Random) -> None:
        super()._make_variables(units, seeds)
        self.attention_g = make_scalar(1.0)

    def shared(self) -> dict[str, tf.Tensor]:
        """As in `Score`."""
        return {"scale": tf.identity(self.attention_g)}

    def prepare(
        self, memory: tf.Tensor, multiply: Multiply, shared: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Score`."""
        keys = tf.cast(multiply("memory_layer", memory), tf.float32)
        return memory, tf.cast(shared["scale"] * keys, memory.dtype)


class Dot(Luong):
    """q . m: the dot product of Luong et al. 2015, equation 8, which has no variables."""

    def _make_variables(self, units: int, seeds: Random) -> None:
        pass

    def prepare(
        self, memory: tf.Tensor, multiply: Multiply, shared: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Score`."""
        return memory, memory


class ScaledDot(Dot):
    """q . m / sqrt(U): Vaswani et al. 2017, "Attention Is All You Need", equation 1."""

    def _make_variables(self, units: int, seeds: Random) -> None:
        self._scale = 1.0 / math.sqrt(units)

    def shared(self) -> dict[str, tf.Tensor]:
        """As in `Score`."""
        return {"scale": tf.constant(self._scale)}

    def prepare(
        self, memory: tf.Tensor, multiply: Multiply, shared: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Score`."""
        return memory, memory * tf.cast(shared["scale"], memory.dtype)
