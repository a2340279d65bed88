"""Attention outside of the decoder: any queries over a memory, or queries that are learned."""

from __future__ import annotations

from random import Random

import tensorflow as tf

from chatbot.network.fast_attention import make_padding
from chatbot.network.scores import SCORES, Attended, Score, make_score
from chatbot.network.steps import multiply
from chatbot.network.variables import draw_glorot
from chatbot.settings.config import ModelConfig


def make_attention(name: str, units: int, seeds: Random) -> Score:
    """Makes an attention of `scores` that needs no step before it.

    Args:
        name: What `--attention` calls it.
        units: Of queries and memory, U.
        seeds: Where the first weights' seeds come from.

    Raises:
        ValueError: There is none of that name, or it has heads or carries something on.
    """
    if name not in SCORES or name == "multi_head" or SCORES[name].carries:
        raise ValueError(f"there is no attention {name!r} that one step computes")
    return make_score(ModelConfig(rnn_size=units, attention=name), seeds)


def attend(
    attention: Score, queries: tf.Tensor, memory: tf.Tensor, lengths: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Weighs a memory by the softmax of its scores against each query.

    Args:
        attention: From `make_attention`.
        queries: `float32 [B, N, U]`.
        memory: `float32 [B, S, U]`, padded on the right.
        lengths: `int32 [B]`, the real steps of the memory, at least 1.

    Returns:
        The contexts `float32 [B, N, U]`, and the weights `float32 [B, N, S]`, 0 on padding.
    """
    matrices, shared = attention.matrices(), attention.shared()
    prepared = attention.prepare(memory, lambda name, x: multiply(x, matrices[name]), shared)
    padding = make_padding(lengths, tf.shape(memory)[1])[:, tf.newaxis]
    kernel = matrices.get("query_layer")
    projected = None if kernel is None else multiply(queries, kernel)
    attended = Attended(*prepared, padding)
    weights, _ = attention.compute(queries, projected, attended, shared, None)
    return tf.matmul(weights, attended.memory), weights


class AttentionPooling(tf.Module):
    """Makes N vectors of a memory of any length, by N learned queries.

    With one query and the additive score this is the word attention of Yang et al. 2016,
    "Hierarchical Attention Networks for Document Classification", equations 5 to 7: W q is their
    bias, v their context vector.

    Attributes:
        attention: From `make_attention`.
        queries: `float32 [N, U]`.
    """

    def __init__(self, name: str, units: int, seeds: Random, queries: int = 1) -> None:
        """Draws the variables.

        Args:
            name: As in `make_attention`.
            units: U.
            seeds: Where the first weights' seeds come from.
            queries: N.

        Raises:
            ValueError: As in `make_attention`.
        """
        super().__init__(name="pooling")
        self.attention = make_attention(name, units, seeds)
        self.queries = tf.Variable(draw_glorot([queries, units], seeds))

    def __call__(self, memory: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Pools a memory; takes and returns what `attend` does, without the queries."""
        shape = [tf.shape(memory)[0], *self.queries.shape]
        return attend(self.attention, tf.broadcast_to(self.queries, shape), memory, lengths)
