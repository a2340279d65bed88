"""The attention in our own decoding loop, with its backward pass.

`forward` takes one step and records what `backward` needs of it. `backward` returns the gradient
with respect to the query, what `finish` needs of the step, and the sums that it carries from step
to step; `start` gives their first values. `finish` returns, once after all steps, the gradients
with respect to the variables. The two scores have these methods alike, and so have the two ways
to the weights: the softmax of such a score, whose backward pass is written by hand, and
`taped_weights.TapedWeights`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from chatbot.network.steps import Shapes, Tensors, multiply, weights_gradient

JOINED_RECORD, WEIGHTS_RECORD = 0, 1
"""Where query and context, and the weights are in what `FastAttention.forward` records."""


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


class SoftmaxWeights:
    """The softmax of a score whose backward pass is written by hand; carries nothing."""

    def __init__(self, by_hand: str, variables: Tensors, padding: tf.Tensor) -> None:
        """Takes a `Score.by_hand`, the score's variables and a padding `float32 [B, S]`."""
        additive = by_hand == "additive"
        self._score = _AdditiveScore(variables) if additive else _MultiplicativeScore(variables)
        self._padding = padding
        self.carried: Tensors = []
        self.record_shapes = self._score.record_shapes
        self.gradient_shapes = self._score.gradient_shapes

    def start(self) -> Tensors:
        """Returns the sums before the first step backwards."""
        return self._score.start()

    def forward(self, query: tf.Tensor, carried: Tensors) -> tuple[tf.Tensor, Tensors, Tensors]:
        """Computes weights `float32 [B, S]`, what is carried on, and a record."""
        scores, record = self._score.forward(query)
        return tf.nn.softmax(scores + self._padding), carried, record

    def backward(
        self,
        query: tf.Tensor,
        record: Tensors,
        weights: tf.Tensor,
        d_weights: tf.Tensor,
        d_carried: Tensors,
        sums: Tensors,
    ) -> tuple[tf.Tensor, Tensors, Tensors, Tensors]:
        """Returns the gradients of query and carried, what `finish` needs, and the sums."""
        d_weights = weights * d_weights
        d_scores = d_weights - weights * tf.reduce_sum(d_weights, axis=-1, keepdims=True)
        d_query, gradients, sums = self._score.backward(record, d_scores, sums)
        return d_query, d_carried, gradients, sums

    def finish(self, queries: tf.Tensor, gradients: Tensors, sums: Tensors) -> Tensors:
        """Returns the gradients with respect to the score's variables."""
        return self._score.finish(queries, gradients, sums)


class FastAttention:
    """Weighs the memory, and multiplies query and context by a matrix."""

    def __init__(self, weights: Any, memory: tf.Tensor, kernel: tf.Tensor, squashes: bool) -> None:
        """Prepares what all steps need.

        Args:
            weights: `SoftmaxWeights` or `TapedWeights`.
            memory: What is weighed, `float [B, S, U]`, or with heads `[B, H, S, U / H]`.
            kernel: For query and then context, `float [2 * U, U]`.
            squashes: Whether the attention is the tanh of the product.
        """
        self._weights, self._memory, self._kernel = weights, memory, kernel
        self._squashes = squashes
        self._transposed = tf.transpose(kernel)
        dtype, (wide, units) = kernel.dtype, kernel.shape
        self._heads = memory.shape[1:-2]  # empty without heads
        self.carried = weights.carried
        self.record_shapes: Shapes = [
            (dtype, [None, wide]),
            (tf.float32, [None, *self._heads, None]),
            *([(dtype, [None, units])] if squashes else []),
            *weights.record_shapes,
        ]
        self.gradient_shapes: Shapes = [
            (dtype, [None, units]),
            (dtype, [None, units]),
            *weights.gradient_shapes,
        ]

    def start(self) -> Tensors:
        """Returns the sums before the first step backwards."""
        return self._weights.start()  # type: ignore[no-any-return]

    def forward(self, query: tf.Tensor, carried: Tensors) -> tuple[tf.Tensor, Tensors, Tensors]:
        """Computes one step's attention, from `float [B, U]` to `float [B, U]`.

        Returns:
            The attention, what is carried into the next step, and a record.
        """
        weights, carried, record = self._weights.forward(query, carried)
        typed = tf.cast(weights, query.dtype)[..., tf.newaxis, :]
        context = tf.reshape(tf.matmul(typed, self._memory), tf.shape(query))
        joined = tf.concat([query, context], axis=-1)
        attention = tf.matmul(joined, self._kernel)
        if not self._squashes:
            return attention, carried, [joined, weights, *record]
        attention = tf.tanh(attention)
        return attention, carried, [joined, weights, attention, *record]

    def backward(
        self,
        record: Tensors,
        d_attention: tf.Tensor,
        d_carried: Tensors,
        sums: Tensors,
        d_shown: Sequence[tf.Tensor] = (),
    ) -> tuple[tf.Tensor, Tensors, Tensors, Tensors]:
        """Takes the backward pass of `forward`; `d_attention` is `float [B, U]`.

        `d_shown` has the gradients of the weights and of query and context, `float [B, 2 * U]`, of
        their own, where something outside of the loop uses them.

        Returns:
            The gradients with respect to the query `float [B, U]` and to what was carried into the
            step, what `finish` needs of the step, and the sums.
        """
        joined, weights, *record = record
        if self._squashes:
            attention, *record = record
            d_attention = tf.raw_ops.TanhGrad(y=attention, dy=d_attention)
        d_joined = tf.matmul(d_attention, self._transposed)
        for own in d_shown[1:]:
            d_joined += own
        d_query, d_context = tf.split(d_joined, 2, axis=-1)
        d_weights = tf.matmul(self._spread(d_context), self._memory, transpose_b=True)
        d_weights = tf.cast(d_weights[..., 0, :], tf.float32)
        for own in d_shown[:1]:
            d_weights += own
        query = joined[:, : self._kernel.shape[1]]
        d_scored, d_carried, gradients, sums = self._weights.backward(
            query, record, weights, d_weights, d_carried, sums
        )
        return d_query + d_scored, d_carried, [d_attention, d_context, *gradients], sums

    def _spread(self, context: tf.Tensor) -> tf.Tensor:
        """Cuts contexts `[..., U]` into heads, as rows `[..., (H), 1, U / H]`."""
        leading = tf.shape(context)[:-1]
        size = self._memory.shape[-1]
        return tf.reshape(context, tf.concat([leading, [*self._heads, 1, size]], axis=0))

    def finish(self, records: list[Any], gradients: list[Any], sums: Tensors) -> Tensors:
        """Returns the gradients with respect to memory, kernel and the weights' variables.

        Args:
            records: Arrays of what `forward` recorded.
            gradients: Arrays of what `backward` left for it.
            sums: The last sums.
        """
        joined, weights = (record.stack() for record in records[:2])
        d_attention, d_context, *rest = (gradient.stack() for gradient in gradients)
        typed, d_contexts = tf.cast(weights, joined.dtype), self._spread(d_context)[..., 0, :]
        d_memory = tf.einsum("t...s,t...u->...su", typed, d_contexts)
        queries = joined[..., : self._kernel.shape[1]]
        d_score = self._weights.finish(queries, rest, sums)
        return [d_memory, weights_gradient(joined, d_attention), *d_score]
