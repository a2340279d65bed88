"""Several attentions side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.scores.base import Attended, Multiply, Score
from chatbot.network.variables import Matrix
from chatbot.settings.config import ModelConfig


class MultiHead(Score):
    """(W_i q) . (M_i m) / sqrt(U / H) for each head i, whose context is the mean of V_i m.

    The contexts side by side, times O, are the context: Vaswani et al. 2017, "Attention Is All You
    Need", section 3.2.2; Chen et al. 2018, "The Best of Both Worlds", attend so from an LSTM.

    Attributes:
        query_layer: All W_i side by side, `float32 [U, U]`.
        memory_layer: All M_i side by side, `float32 [U, U]`.
        value_layer: All V_i side by side, `float32 [U, U]`.
        output_layer: O, `float32 [U, U]`.
    """

    def __init__(self, config: ModelConfig, seeds: Random) -> None:
        super().__init__(config, seeds)
        self._heads = config.attention_heads
        self._scale = math.sqrt(self._heads / config.rnn_size)

    def _make_variables(self, units: int, seeds: Random) -> None:
        self.query_layer = Matrix(units, units, seeds)
        self.memory_layer = Matrix(units, units, seeds)
        self.value_layer = Matrix(units, units, seeds)
        self.output_layer = Matrix(units, units, seeds)

    def matrices(self) -> dict[str, tf.Tensor]:
        """As in `Score`, without O, which `mix` takes."""
        matrices = super().matrices()
        del matrices["output_layer"]
        return matrices

    def shared(self) -> dict[str, tf.Tensor]:
        """As in `Score`."""
        return {"scale": tf.constant(self._scale)}

    def prepare(
        self, memory: tf.Tensor, multiply: Multiply, shared: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As in `Score`."""
        values = self._split(tf.cast(multiply("value_layer", memory), memory.dtype))
        keys = self._split(tf.cast(multiply("memory_layer", memory), tf.float32))
        return values, keys * shared["scale"]

    def compute(
        self, query: Any, projected: Any, attended: Attended, shared: Any, carried: Any
    ) -> tuple[tf.Tensor, None]:
        """As in `Score`."""
        scores = tf.matmul(self._split(projected), attended.keys, transpose_b=True)
        return tf.nn.softmax(scores + attended.padding[:, tf.newaxis]), None

    def mix(self, kernel: tf.Tensor) -> tf.Tensor:
        """As in `Score`."""
        query, context = tf.split(kernel, 2)
        return tf.concat([query, tf.matmul(self.output_layer.kernel, context)], axis=0)

    def _split(self, vectors: tf.Tensor) -> tf.Tensor:
        """Cuts vectors into heads: from `[B, X, U]` to `[B, H, X, U / H]`."""
        rows, steps = tf.unstack(tf.shape(vectors)[:2])
        size = vectors.shape[-1] // self._heads
        return tf.transpose(tf.reshape(vectors, [rows, steps, self._heads, size]), [0, 2, 1, 3])
