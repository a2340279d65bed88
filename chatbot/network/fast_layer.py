"""A recurrent layer in our own loop, with its backward pass."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from chatbot.network.fast_cell import FastCell, list_vectors
from chatbot.network.steps import Tensors, multiply, run_steps, take_last, weights_gradient
from chatbot.network.variables import LayerWeights


def run_layer(
    inputs: tf.Tensor, lengths: tf.Tensor, weights: LayerWeights
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Runs one layer over padded sequences, from a state of zeros.

    Args:
        inputs: `float [S, B, X]`; its type is that of the matrix products.
        lengths: `int32 [B]`, at least 1; padding is on the right.
        weights: The layer's.

    Returns:
        The hidden states `[S, B, U]`, of the inputs' type and undefined on padding, and hidden
        state and carry after the last real step, each `float32 [B, U]`.
    """
    dtype = inputs.dtype
    parts = weights.kernel, weights.recurrent_kernel
    joined = tf.concat([tf.cast(part, dtype) for part in parts], axis=0)
    recur = tf.custom_gradient(lambda *given: _recur(weights.cell, *given))
    hiddens, carries = recur(inputs, joined, list_vectors(weights, dtype))
    # What comes after the last real step is computed and not used: no step has to ask.
    last = take_last(hiddens, lengths)
    return hiddens, tf.cast(last, tf.float32), take_last(carries, lengths)


def _recur(name: str, inputs: tf.Tensor, kernel: tf.Tensor, vectors: Tensors) -> Any:
    """Returns the hidden states `[S, B, U]` and the carries `float32 [S, B, U]` of all steps."""
    dtype, size, units = inputs.dtype, inputs.shape[-1], kernel.shape[1] // 4
    zeros = tf.zeros([tf.shape(inputs)[1], units])
    cell = FastCell(name, kernel, vectors)

    def step(inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        joined = tf.concat([*inputs, state[0]], axis=-1)
        hidden, carry, record = cell.forward(joined, state[1])
        return [hidden, carry, *record], [hidden, carry]

    start = [tf.cast(zeros, dtype), zeros]
    shapes = [(dtype, [None, units]), (tf.float32, [None, units]), *cell.record_shapes]
    (hiddens, carries, *records), _ = run_steps(step, [inputs], start, shapes)
    hiddens, carries = hiddens.stack(), carries.stack()

    def gradient(d_hiddens: tf.Tensor, d_carries: tf.Tensor) -> tuple[Any, ...]:
        left = _recur_backwards(cell, d_hiddens, d_carries, records, kernel[size:])
        before = tf.concat([start[0][tf.newaxis], hiddens[:-1]], axis=0)
        d_kernel = weights_gradient(tf.concat([inputs, before], axis=-1), left[0])
        d_inputs = multiply(left[0], tf.transpose(kernel[:size]))
        return d_inputs, d_kernel, cell.finish(records, left)

    return (hiddens, carries), gradient


def _recur_backwards(
    cell: FastCell,
    d_hiddens: tf.Tensor,
    d_carries: tf.Tensor,
    records: list[Any],
    recurrent: tf.Tensor,
) -> Tensors:
    """Returns what `FastCell.backward` leaves of all steps, `[S, ...]`."""
    # Transposed once: for a few rows a product that transposes its weights takes longer.
    transposed = tf.transpose(recurrent)

    def step(inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        d_hidden, d_carry = inputs[0] + state[0], inputs[1] + state[1]
        left, d_carry = cell.backward(inputs[2:], d_hidden, d_carry)
        d_hidden = tf.cast(tf.matmul(left[0], transposed), tf.float32)
        return left, [d_hidden, d_carry]

    inputs = [tf.cast(d_hiddens, tf.float32), d_carries, *records]
    zeros = tf.zeros_like(d_carries[0])
    found, _ = run_steps(step, inputs, [zeros, zeros], cell.gradient_shapes, backwards=True)
    return [array.stack() for array in found]
