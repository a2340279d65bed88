"""The attention in our own decoding loop, forwards and backwards.

Each class has four public methods: `compute` for a step, `reverse` for its way back, `start` for
what the way back sums up from step to step, and `finish` for what is left to do once after all
steps. Both scores have them alike, so that the attention need not know which it has.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from chatbot.network.steps import Shapes, Tensors, multiply, weights_gradient


def make_padding(lengths: tf.Tensor, steps: Any) -> tf.Tensor:
    """Makes what keeps the attention off padding when it is added to the scores.

    Args:
        lengths: `int32 [B]`, the real tokens of the memory.
        steps: `int32 []`, S.

    Returns:
        `float32 [B, S]`: 0, and float32's least on padding.
    """
    return tf.where(tf.sequence_mask(lengths, steps), 0.0, tf.float32.min)


class MultiplicativeScore:
    """q . k: with k = M m, m the memory, the general score of Luong et al. 2015.

    "Effective Approaches to Attention-based Neural Machine Translation", equation 8.
    """

    def __init__(self, variables: Tensors) -> None:
        """Takes what the scores are made of.

        Args:
            variables: The keys, `float [B, S, U]`.
        """
        (self._keys,) = variables
        self.record_shapes: Shapes = []
        self.gradient_shapes: Shapes = [(tf.float32, [None, None])]

    def start(self) -> Tensors:
        """Returns what the way back sums up inside the loop, before its first step."""
        return []

    def compute(self, query: tf.Tensor) -> tuple[tf.Tensor, Tensors]:
        """Computes one step's scores.

        Args:
            query: `float [B, U]`.

        Returns:
            `float32 [B, S]`, and a record for the way back.
        """
        scores = tf.matmul(query[:, tf.newaxis], self._keys, transpose_b=True)[:, 0]
        return tf.cast(scores, tf.float32), []

    def reverse(
        self, record: Tensors, by_scores: tf.Tensor, sums: Tensors
    ) -> tuple[tf.Tensor, Tensors, Tensors]:
        """Takes the way back of `compute`.

        Args:
            record: What `compute` recorded.
            by_scores: `float32 [B, S]`.
            sums: See `start`.

        Returns:
            The gradient by the query `float [B, U]`, what `finish` wants of each step, the sums.
        """
        by_query = tf.matmul(tf.cast(by_scores, self._keys.dtype)[:, tf.newaxis], self._keys)
        return by_query[:, 0], [by_scores], sums

    def finish(self, queries: tf.Tensor, gradients: Tensors, sums: Tensors) -> Tensors:
        """Returns the gradients by the variables.

        Args:
            queries: `float [T, B, U]`.
            gradients: What `reverse` left for it, `[T, ...]`.
            sums: The last sums.
        """
        by_scores = tf.cast(gradients[0], queries.dtype)
        return [tf.einsum("tbs,tbu->bsu", by_scores, queries)]


class AdditiveScore:
    """v . tanh(W q + k), with k = M m, m the memory: the score of Bahdanau et al. 2015.

    "Neural Machine Translation by Jointly Learning to Align and Translate"; there q is the state
    before the step, here as in Luong et al. the output of the step itself. The `[B, S, U]` tensor
    inside the tanh is never kept: it is made again on the way back, where the sums over the steps
    go on inside the loop.
    """

    def __init__(self, variables: Tensors) -> None:
        """Takes what the scores are made of.

        Args:
            variables: The keys `float32 [B, S, U]`, v `float32 [U]` and W `float [U, U]`.
        """
        self._keys, self._vector, self._kernel = variables
        self._transposed = tf.transpose(self._kernel)
        self.record_shapes: Shapes = [(tf.float32, [None, self._kernel.shape[1]])]
        self.gradient_shapes: Shapes = [(self._kernel.dtype, [None, self._kernel.shape[1]])]

    def start(self) -> Tensors:
        """As in `MultiplicativeScore`: the gradients by keys and v."""
        return [tf.zeros_like(self._keys), tf.zeros_like(self._vector)]

    def compute(self, query: tf.Tensor) -> tuple[tf.Tensor, Tensors]:
        """As in `MultiplicativeScore`."""
        shift = tf.cast(tf.matmul(query, self._kernel), tf.float32)
        scores = multiply(self._bend(shift), self._vector[:, tf.newaxis])
        return scores[..., 0], [shift]

    def _bend(self, shift: tf.Tensor) -> tf.Tensor:
        return tf.tanh(self._keys + shift[:, tf.newaxis])

    def reverse(
        self, record: Tensors, by_scores: tf.Tensor, sums: Tensors
    ) -> tuple[tf.Tensor, Tensors, Tensors]:
        """As in `MultiplicativeScore`.

        With t = tanh(W q + k) and ds the scores' gradient, that by W q + k is ds v (1 - t^2): the
        keys' as it is, W q's summed over S. That by v is ds t, summed over B and S.
        """
        bent, by_scores = self._bend(record[0]), by_scores[..., tf.newaxis]
        by_sum = tf.raw_ops.TanhGrad(y=bent, dy=by_scores * self._vector)
        by_vector = weights_gradient(bent, by_scores)[:, 0]
        by_shift = tf.cast(tf.reduce_sum(by_sum, axis=1), self._kernel.dtype)
        by_query = tf.matmul(by_shift, self._transposed)
        return by_query, [by_shift], [sums[0] + by_sum, sums[1] + by_vector]

    def finish(self, queries: tf.Tensor, gradients: Tensors, sums: Tensors) -> Tensors:
        """As in `MultiplicativeScore`."""
        return [*sums, weights_gradient(queries, gradients[0])]


class Attention:
    """Weighs the memory by the scores' softmax, and multiplies query and context by a matrix."""

    def __init__(self, variables: Tensors, lengths: tf.Tensor) -> None:
        """Takes what the attention is made of.

        Args:
            variables: The memory `float [B, S, U]`, the output's kernel `float [2 * U, U]`, and
                what a score is made of.
            lengths: `int32 [B]`, the real tokens of the memory.
        """
        self._memory, self._kernel, *rest = variables
        self._score = AdditiveScore(rest) if len(rest) > 1 else MultiplicativeScore(rest)
        self._transposed = tf.transpose(self._kernel)
        self._padding = make_padding(lengths, tf.shape(self._memory)[1])
        dtype, (wide, units) = self._kernel.dtype, self._kernel.shape
        self.record_shapes: Shapes = [
            (dtype, [None, wide]),
            (tf.float32, [None, None]),
            *self._score.record_shapes,
        ]
        self.gradient_shapes: Shapes = [
            (dtype, [None, units]),
            (dtype, [None, units]),
            *self._score.gradient_shapes,
        ]

    def start(self) -> Tensors:
        """Returns the sums before the first step back."""
        return self._score.start()

    def compute(self, query: tf.Tensor) -> tuple[tf.Tensor, Tensors]:
        """Computes one step's attention.

        Args:
            query: `float [B, U]`.

        Returns:
            `float [B, U]`, and a record for the way back.
        """
        scores, record = self._score.compute(query)
        alignments = tf.nn.softmax(scores + self._padding)
        weights = tf.cast(alignments, query.dtype)[:, tf.newaxis]
        joined = tf.concat([query, tf.matmul(weights, self._memory)[:, 0]], axis=-1)
        return tf.matmul(joined, self._kernel), [joined, alignments, *record]

    def reverse(
        self, record: Tensors, by_attention: tf.Tensor, sums: Tensors
    ) -> tuple[tf.Tensor, Tensors, Tensors]:
        """Takes the way back of `compute`.

        Args:
            record: What `compute` recorded.
            by_attention: `float [B, U]`.
            sums: See `start`.

        Returns:
            The gradient by the query `float [B, U]`, what `finish` wants of each step, the sums.
        """
        _, alignments, *record = record
        by_query, by_context = tf.split(tf.matmul(by_attention, self._transposed), 2, axis=-1)
        by_weights = tf.matmul(by_context[:, tf.newaxis], self._memory, transpose_b=True)[:, 0]
        by_weights = alignments * tf.cast(by_weights, tf.float32)
        by_scores = by_weights - alignments * tf.reduce_sum(by_weights, axis=-1, keepdims=True)
        by_score, gradients, sums = self._score.reverse(record, by_scores, sums)
        return by_query + by_score, [by_attention, by_context, *gradients], sums

    def finish(self, records: list[Any], gradients: list[Any], sums: Tensors) -> Tensors:
        """Returns the gradients by the variables.

        Args:
            records: Arrays of what `compute` recorded.
            gradients: Arrays of what `reverse` left for it.
            sums: The last sums.
        """
        joined, alignments = (record.stack() for record in records[:2])
        by_attention, by_context, *rest = (gradient.stack() for gradient in gradients)
        by_memory = tf.einsum("tbs,tbu->bsu", tf.cast(alignments, joined.dtype), by_context)
        queries = joined[..., : self._kernel.shape[1]]
        by_score = self._score.finish(queries, rest, sums)
        return [by_memory, weights_gradient(joined, by_attention), *by_score]
