"""Attention outside of the decoder: any queries over a memory, or queries that are learned."""

from __future__ import annotations

from random import Random

import tensorflow as tf

from chatbot.network.attention import Attention
from chatbot.network.fast_attention import make_padding
from chatbot.network.steps import multiply
from chatbot.network.variables import draw_glorot


def attend(
    attention: Attention, queries: tf.Tensor, memory: tf.Tensor, lengths: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Weighs a memory by the softmax of its scores against each query.

    Args:
        attention: The score's variables.
        queries: `float32 [B, N, U]`.
        memory: `float32 [B, S, U]`, padded on the right.
        lengths: `int32 [B]`, the real steps of the memory, at least 1.

    Returns:
        The contexts `float32 [B, N, U]`, and the weights `float32 [B, N, S]`, 0 on padding.
    """
    keys = multiply(memory, attention.memory_layer.kernel)
    if attention.query_layer is None:
        scores = tf.matmul(queries, keys, transpose_b=True)
    else:
        projected = multiply(queries, attention.query_layer.kernel)
        squashed = tf.tanh(keys[:, tf.newaxis] + projected[:, :, tf.newaxis])  # [B, N, S, U]
        scores = tf.tensordot(squashed, attention.attention_v, 1)
    padding = make_padding(lengths, tf.shape(memory)[1])
    weights = tf.nn.softmax(scores + padding[:, tf.newaxis])
    return tf.matmul(weights, memory), weights


class AttentionPooling(tf.Module):
    """Makes N vectors of a memory of any length, by N learned queries.

    With one query and the additive score this is the word attention of Yang et al. 2016,
    "Hierarchical Attention Networks for Document Classification", equations 5 to 7: W q is their
    bias, v their context vector.

    Attributes:
        attention: The score's variables.
        queries: `float32 [N, U]`.
    """

    def __init__(self, name: str, units: int, seeds: Random, queries: int = 1) -> None:
        """Draws the variables.

        Args:
            name: The score, see `Attention`.
            units: U.
            seeds: Where the first weights' seeds come from.
            queries: N.

        Raises:
            ValueError: There is no score of that name.
        """
        super().__init__(name="pooling")
        self.attention = Attention(name, units, seeds)
        self.queries = tf.Variable(draw_glorot([queries, units], seeds))

    def __call__(self, memory: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Pools a memory; takes and returns what `attend` does, without the queries."""
        shape = [tf.shape(memory)[0], *self.queries.shape]
        return attend(self.attention, tf.broadcast_to(self.queries, shape), memory, lengths)
