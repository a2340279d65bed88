"""The attention in our own decoding loop, with its backward pass.

`forward` takes one step and records what `backward` needs of it. `backward` returns the gradient
with respect to the query, what `finish` needs of the step, and the sums that it carries from step
to step; `start` gives their first values. `finish` returns, once after all steps, the gradients
with respect to the variables. The two scores have these methods alike, so that the attention need
not know which it has.
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


class _MultiplicativeScore:
    """q . k: with k = M m, m the memory, the general score of Luong et al. 2015.

    "Effective Approaches to Attention-based Neural Machine Translation", equation 8. Its one
    variable is the keys, `float [B, S, U]`.
    """

    def __init__(self, variables: Tensors) -> None:
        (self._keys,) = variables
        self.record_shapes: Shapes = []
        self.gradient_shapes: Shapes = [(tf.float32, [None, None])]

    def start(self) -> Tensors:
        return []

    def forward(self, query: tf.Tensor) -> tuple[tf.Tensor, Tensors]:
        """From `float [B, U]` to `float32 [B, S]`."""
        scores = tf.matmul(query[:, tf.newaxis], self._keys, transpose_b=True)[:, 0]
        return tf.cast(scores, tf.float32), []

    def backward(
        self, record: Tensors, d_scores: tf.Tensor, sums: Tensors
    ) -> tuple[tf.Tensor, Tensors, Tensors]:
        d_query = tf.matmul(tf.cast(d_scores, self._keys.dtype)[:, tf.newaxis], self._keys)
        return d_query[:, 0], [d_scores], sums

    def finish(self, queries: tf.Tensor, gradients: Tensors, sums: Tensors) -> Tensors:
        """`queries` is `float [T, B, U]`, and `gradients` what `backward` left, `[T, ...]`."""
        d_scores = tf.cast(gradients[0], queries.dtype)
        return [tf.einsum("tbs,tbu->bsu", d_scores, queries)]


class _AdditiveScore:
    """v . tanh(W q + k), with k = M m, m the memory: the score of Bahdanau et al. 2015.

    "Neural Machine Translation by Jointly Learning to Align and Translate"; there q is the state
    before the step, here as in Luong et al. the output of the step itself. The variables are the
    keys `float32 [B, S, U]`, v `float32 [U]` and W `float [U, U]`.

    The `[B, S, U]` tensor inside the tanh is never kept: the backward pass computes it again, and
    sums the gradients with respect to keys and v inside the loop.
    """

    def __init__(self, variables: Tensors) -> None:
        self._keys, self._vector, self._kernel = variables
        self._transposed = tf.transpose(self._kernel)
        self.record_shapes: Shapes = [(tf.float32, [None, self._kernel.shape[1]])]
        self.gradient_shapes: Shapes = [(self._kernel.dtype, [None, self._kernel.shape[1]])]

    def start(self) -> Tensors:
        return [tf.zeros_like(self._keys), tf.zeros_like(self._vector)]

    def forward(self, query: tf.Tensor) -> tuple[tf.Tensor, Tensors]:
        projected = tf.cast(tf.matmul(query, self._kernel), tf.float32)
        scores = multiply(self._squash(projected), self._vector[:, tf.newaxis])
        return scores[..., 0], [projected]

    def _squash(self, projected: tf.Tensor) -> tf.Tensor:
        return tf.tanh(self._keys + projected[:, tf.newaxis])

    def backward(
        self, record: Tensors, d_scores: tf.Tensor, sums: Tensors
    ) -> tuple[tf.Tensor, Tensors, Tensors]:
        """With t = tanh(W q + k), d(W q + k) = ds v (1 - t^2) and dv = ds t.

        The keys' gradient is that, the one with respect to W q is its sum over S, and dv is summed
        over B and S.
        """
        squashed, d_scores = self._squash(record[0]), d_scores[..., tf.newaxis]
        d_inner = tf.raw_ops.TanhGrad(y=squashed, dy=d_scores * self._vector)
        d_vector = weights_gradient(squashed, d_scores)[:, 0]
        d_projected = tf.cast(tf.reduce_sum(d_inner, axis=1), self._kernel.dtype)
        d_query = tf.matmul(d_projected, self._transposed)
        return d_query, [d_projected], [sums[0] + d_inner, sums[1] + d_vector]

    def finish(self, queries: tf.Tensor, gradients: Tensors, sums: Tensors) -> Tensors:
        return [*sums, weights_gradient(queries, gradients[0])]


class FastAttention:
    """Weighs the memory by the scores' softmax, and multiplies query and context by a matrix."""

    def __init__(self, variables: Tensors, lengths: tf.Tensor) -> None:
        """Prepares what all steps need.

        Args:
            variables: The memory `float [B, S, U]`, the output's kernel `float [2 * U, U]`, and
                the score's variables.
            lengths: `int32 [B]`, the real tokens of the memory.
        """
        self._memory, self._kernel, *rest = variables
        self._score = _AdditiveScore(rest) if len(rest) > 1 else _MultiplicativeScore(rest)
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
        """Returns the sums before the first step backwards."""
        return self._score.start()

    def forward(self, query: tf.Tensor) -> tuple[tf.Tensor, Tensors]:
        """Computes one step's attention, from `float [B, U]` to `float [B, U]`, and a record."""
        scores, record = self._score.forward(query)
        alignments = tf.nn.softmax(scores + self._padding)
        weights = tf.cast(alignments, query.dtype)[:, tf.newaxis]
        joined = tf.concat([query, tf.matmul(weights, self._memory)[:, 0]], axis=-1)
        return tf.matmul(joined, self._kernel), [joined, alignments, *record]

    def backward(
        self, record: Tensors, d_attention: tf.Tensor, sums: Tensors
    ) -> tuple[tf.Tensor, Tensors, Tensors]:
        """Takes the backward pass of `forward`; `d_attention` is `float [B, U]`.

        Returns:
            The gradient with respect to the query `float [B, U]`, what `finish` needs of the step,
            and the sums.
        """
        _, alignments, *record = record
        d_query, d_context = tf.split(tf.matmul(d_attention, self._transposed), 2, axis=-1)
        d_weights = tf.matmul(d_context[:, tf.newaxis], self._memory, transpose_b=True)[:, 0]
        d_weights = alignments * tf.cast(d_weights, tf.float32)
        d_scores = d_weights - alignments * tf.reduce_sum(d_weights, axis=-1, keepdims=True)
        d_scored, gradients, sums = self._score.backward(record, d_scores, sums)
        return d_query + d_scored, [d_attention, d_context, *gradients], sums

    def finish(self, records: list[Any], gradients: list[Any], sums: Tensors) -> Tensors:
        """Returns the gradients with respect to the variables.

        Args:
            records: Arrays of what `forward` recorded.
            gradients: Arrays of what `backward` left for it.
            sums: The last sums.
        """
        joined, alignments = (record.stack() for record in records[:2])
        d_attention, d_context, *rest = (gradient.stack() for gradient in gradients)
        d_memory = tf.einsum("tbs,tbu->bsu", tf.cast(alignments, joined.dtype), d_context)
        queries = joined[..., : self._kernel.shape[1]]
        d_score = self._score.finish(queries, rest, sums)
        return [d_memory, weights_gradient(joined, d_attention), *d_score]
