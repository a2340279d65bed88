"""Attention weights in our own decoding loop, by any `Score`, with TensorFlow's own gradient.

The backward pass of a step computes the step again and takes its gradient there. Only the sums
of the gradients with respect to keys and shared tensors go from step to step; the query's product
is outside of what is taken gradients of, so its matrix has one product after the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from chatbot.network.scores import Attended, Score
from chatbot.network.steps import Shapes, Tensors, weights_gradient


class TapedWeights:
    """What `Score.compute` computes, for one row a query; see `fast_attention`."""

    def __init__(
        self,
        score: Score,
        names: Sequence[str],
        kernel: list[tf.Tensor],
        attended: Attended,
        shared: Tensors,
    ) -> None:
        """Prepares what all steps need.

        Args:
            score: Whose weights they are.
            names: Of the shared tensors.
            kernel: The query's matrix `float [U, Y]`, if it has one.
            attended: What `Score.prepare` made, keys in float32.
            shared: What `Score.shared` made, float32.
        """
        self._score, self._names, self._kernel = score, names, kernel
        self._attended, self._shared = attended, shared
        self._transposed = [tf.transpose(x) for x in kernel]
        self.carried = [score.start(attended.padding)] if score.carries else []
        widths: Shapes = [(tf.float32, [None, x.shape[1]]) for x in kernel]
        self.record_shapes = [*widths, *((tf.float32, [None, None]) for _ in self.carried)]
        self.gradient_shapes: Shapes = [(x.dtype, [None, x.shape[1]]) for x in kernel]

    def start(self) -> Tensors:
        """Returns the sums before the first step backwards."""
        return [tf.zeros_like(x) for x in (self._attended.keys, *self._shared)]

    def forward(self, query: tf.Tensor, carried: Tensors) -> tuple[tf.Tensor, Tensors, Tensors]:
        """Computes weights `float32 [B, (H), S]`, what is carried on, and a record."""
        projected = [tf.cast(tf.matmul(query, x), tf.float32) for x in self._kernel]
        given = [tf.cast(query, tf.float32), *projected, *carried]
        weights, *following = self._compute([*given, self._attended.keys, *self._shared])
        return weights, following, [*projected, *carried]

    def _compute(self, given: Tensors) -> Tensors:
        """Returns weights and what is carried on, of all that gradients are taken of."""
        rows, keys, shared = self._split(given)
        query, *rows = (x[:, tf.newaxis] for x in rows)
        projected = rows.pop(0) if self._kernel else None
        attended = self._attended._replace(keys=keys)
        named = dict(zip(self._names, shared))
        carried = rows[0] if rows else None
        weights, following = self._score.compute(query, projected, attended, named, carried)
        # The one row of a query has no dimension here.
        rest = [] if following is None else [following[:, 0]]
        return [weights[..., 0, :], *rest]

    def _split(self, tensors: Tensors) -> tuple[Tensors, Any, Tensors]:
        """Splits what belongs to the rows of a step, the keys and the shared tensors."""
        count = 1 + len(self._kernel) + len(self.carried)
        return tensors[:count], tensors[count], tensors[count + 1 :]

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
        given = [tf.cast(query, tf.float32), *record, self._attended.keys, *self._shared]
        given = [tf.identity(x) for x in given]  # of this step's graph, as what is watched must be
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(given)
            results = self._compute(given)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(results, given, [d_weights, *d_carried], zero)
        (d_query, *rows), d_keys, d_shared = self._split(gradients)
        d_query = tf.cast(d_query, query.dtype)
        d_projected = [tf.cast(rows.pop(0), x.dtype) for x in self._kernel]
        for gradient, transposed in zip(d_projected, self._transposed):
            d_query += tf.matmul(gradient, transposed)
        sums = [total + found for total, found in zip(sums, (d_keys, *d_shared))]
        return d_query, rows, d_projected, sums

    def finish(self, queries: tf.Tensor, gradients: Tensors, sums: Tensors) -> Tensors:
        """Returns the gradients of the query's matrix, if there is one, keys and shared tensors."""
        return [*(weights_gradient(queries, x) for x in gradients), *sums]
