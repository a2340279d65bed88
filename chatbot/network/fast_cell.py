"""A recurrent layer's step in our own loops, with its backward pass, whatever the cell.

A step is a matrix product, a layer norm if there is one, and the cell's elementwise part.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.network import fast_gru, fast_lstm
from chatbot.network.layer_norm import LayerNorm
from chatbot.network.steps import Shapes, Tensors, bias_gradient, multiply
from chatbot.network.variables import LayerWeights


class Kind(NamedTuple):
    """A cell's elementwise part.

    Attributes:
        advance: Takes a step; see `fast_lstm.advance_lstm`.
        reverse: Takes its backward pass; see `fast_lstm.reverse_lstm`.
        records: Tensors `float32 [B, U]` that a step records.
    """

    advance: Any
    reverse: Any
    records: int


KINDS = {
    "lstm": Kind(fast_lstm.advance_lstm, fast_lstm.reverse_lstm, fast_lstm.RECORDS),
    "gru": Kind(fast_gru.advance_gru, fast_gru.reverse_gru, fast_gru.RECORDS),
}


class FastCell:
    """The step of one layer.

    Attributes:
        record_shapes: (type, shape) of what `forward` records.
        gradient_shapes: (type, shape) of what `backward` leaves.
    """

    def __init__(self, cell: str, kernel: tf.Tensor, vectors: Tensors) -> None:
        """Takes the variables.

        Args:
            cell: "lstm" or "gru".
            kernel: `float [X + U, 4 * U]`, of the type of the products.
            vectors: From `list_vectors`.
        """
        self._kind = KINDS[cell]
        self._kernel, self._bias, self._dtype = kernel, vectors[0], kernel.dtype
        self._norm = LayerNorm(vectors[1], vectors[0], groups=4) if vectors[1:] else None
        width, units = kernel.shape[1], kernel.shape[1] // 4
        self.record_shapes: Shapes = [(tf.float32, [None, units])] * self._kind.records
        self.gradient_shapes: Shapes = [(self._dtype, [None, width])]
        if self._norm is not None:
            self.record_shapes += self._norm.record_shapes
            self.gradient_shapes.append((tf.float32, [None, width]))

    def forward(self, joined: tf.Tensor, carry: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, Tensors]:
        """Takes a step.

        Args:
            joined: `float [B, X + U]`, the inputs and the hidden state.
            carry: `float32 [B, U]`.

        Returns:
            The hidden state `[B, U]`, of the inputs' type, the carry `float32 [B, U]`, and a
            record.
        """
        normed: Tensors = []
        if self._norm is None:
            gates = multiply(joined, self._kernel, self._bias)
        else:
            gates, normed = self._norm.forward(multiply(joined, self._kernel))
        hidden, carry, record = self._kind.advance(gates, carry)
        return tf.cast(hidden, self._dtype), carry, [*record, *normed]

    def backward(
        self, record: Tensors, d_hidden: tf.Tensor, d_carry: tf.Tensor
    ) -> tuple[Tensors, tf.Tensor]:
        """Takes the backward pass of `forward`.

        Args:
            record: What it recorded.
            d_hidden: `float32 [B, U]`.
            d_carry: `float32 [B, U]`.

        Returns:
            What `finish` needs of the step, first the product's gradient `[B, 4 * U]`; and the
            gradient with respect to the carry.
        """
        own, normed = record[: self._kind.records], record[self._kind.records :]
        if self._norm is None:
            d_gates, d_carry = self._kind.reverse(own, d_hidden, d_carry, self._dtype)
            return [d_gates], d_carry
        d_gates, d_carry = self._kind.reverse(own, d_hidden, d_carry, tf.float32)
        d_products = self._norm.backward(normed, d_gates)
        return [tf.cast(d_products, self._dtype), d_gates], d_carry

    def finish(self, records: list[Any], gradients: Tensors) -> Tensors:
        """Returns the gradients with respect to the vectors.

        Args:
            records: Arrays of what `forward` recorded.
            gradients: What `backward` left, `[T, B, ...]`.
        """
        d_bias = bias_gradient(gradients[-1])
        if self._norm is None:
            return [d_bias]
        normed = records[self._kind.records].stack()
        return [d_bias, tf.reduce_sum(gradients[-1] * normed, axis=[0, 1])]


def list_vectors(weights: LayerWeights, dtype: tf.DType) -> Tensors:
    """Returns a layer's bias, and its gain if it has a layer norm, which is in float32."""
    if weights.gain is None:
        return [tf.cast(weights.bias, dtype)]
    return [tf.identity(weights.bias), tf.identity(weights.gain)]
