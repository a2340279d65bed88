"""Multi-head attention of a memory's rows to one another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random

import tensorflow as tf

from chatbot.network.fast_attention import make_padding
from chatbot.network.layer_norm import LayerNorm
from chatbot.network.steps import multiply
from chatbot.network.variables import Matrix
from chatbot.settings.config import ModelConfig

Product = Callable[[tf.Tensor], tf.Tensor]
"""Multiplies rows by a matrix, from `float [N, U]` to `float [N, U]`."""


class SelfAttention(tf.Module):
    """M' = LayerNorm(M + MHA(M, M, M)), once a query (Vaswani et al. 2017, sections 3.2 and 5.4).

    "Attention Is All You Need". MHA is the multi-head attention of H heads: head h takes the h-th
    U / H columns of Q = M Wq, K = M Wk and V = M Wv, computes softmax(Q K^T / sqrt(U / H)) V over
    the real tokens, and Wo multiplies the heads side by side. The memory knows its tokens' places
    from the recurrent layers, so none are added, and it has met dropout as their output.

    Attributes:
        query_layer, key_layer, value_layer, output_layer: Wq, Wk, Wv and Wo, `float32 [U, U]`.
        gain: Of the layer norm, `float32 [U]`; it begins at 1.
        bias: Of the layer norm, `float32 [U]`; it begins at 0.
    """

    def __init__(self, config: ModelConfig, seeds: Random) -> None:
        super().__init__(name="self_attention")
        units = config.rnn_size
        self._heads = config.attention_heads
        self.query_layer, self.key_layer = (Matrix(units, units, seeds) for _ in range(2))
        self.value_layer, self.output_layer = (Matrix(units, units, seeds) for _ in range(2))
        self.gain, self.bias = tf.Variable(tf.ones([units])), tf.Variable(tf.zeros([units]))

    def listed(self) -> list[tf.Variable]:
        """Returns the variables: of queries, keys, values, output, gain and bias."""
        return [*(layer.kernel for layer in self._layers()), self.gain, self.bias]

    def _layers(self) -> list[Matrix]:
        return [self.query_layer, self.key_layer, self.value_layer, self.output_layer]

    def __call__(self, memory: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Computes M' of M `float [B, S, U]`, of the same type; undefined on padding.

        Args:
            memory: Anything on padding.
            lengths: `int32 [B]`, the real tokens.
        """

        def make(layer: Matrix) -> Product:
            return lambda rows: multiply(rows, tf.cast(layer.kernel, memory.dtype))

        products = [make(layer) for layer in self._layers()]
        norm = LayerNorm(self.gain, self.bias)
        return attend_to_itself(memory, lengths, products, self._heads, norm)


def attend_to_itself(
    memory: tf.Tensor, lengths: tf.Tensor, products: Sequence[Product], heads: int, norm: LayerNorm
) -> tf.Tensor:
    """Computes what `SelfAttention` does.

    Args:
        memory: `float [B, S, U]`.
        lengths: `int32 [B]`, the real tokens.
        products: With Wq, Wk, Wv and Wo.
        heads: H.
        norm: The layer norm over U.

    Returns:
        `[B, S, U]`, of the memory's type.
    """
    (rows, steps), units = tf.unstack(tf.shape(memory)[:2]), memory.shape[-1]

    def cut(product: Product) -> tf.Tensor:
        parts = tf.reshape(product(flat), [rows, steps, heads, units // heads])
        return tf.transpose(tf.cast(parts, memory.dtype), [0, 2, 1, 3])  # [B, H, S, U / H]

    flat = tf.reshape(memory, [-1, units])
    queries, keys, values = (cut(product) for product in products[:3])
    scores = tf.cast(tf.matmul(queries, keys, transpose_b=True), tf.float32)
    padding = make_padding(lengths, steps)[:, tf.newaxis, tf.newaxis]
    weights = tf.nn.softmax(scores / math.sqrt(units // heads) + padding)  # [B, H, S, S]
    context = tf.transpose(tf.matmul(tf.cast(weights, memory.dtype), values), [0, 2, 1, 3])
    attention = products[3](tf.reshape(context, [-1, units]))
    total = tf.cast(flat, tf.float32) + tf.cast(attention, tf.float32)
    return tf.cast(tf.reshape(norm(total), [rows, steps, units]), memory.dtype)
