"""An LSTM layer in our own loop, with its backward pass.

The gates are in the order of Keras' weights: i, f, g, o for input, forget, cell and output gate.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from chatbot.network.steps import (
    Shapes,
    Tensors,
    bias_gradient,
    multiply,
    run_steps,
    take_last,
    weights_gradient,
)

RECORDS = 6
"""Tensors that a step records for its backward pass."""


def list_record_shapes(units: int) -> Shapes:
    """Returns (type, shape) of what `advance_lstm` records."""
    return [(tf.float32, [None, units])] * RECORDS


def advance_lstm(gates: tf.Tensor, carry: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, Tensors]:
    """Takes the elementwise part of an LSTM step.

    With i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of the gates, c' = f c + i g and
    h = o tanh(c') (Hochreiter and Schmidhuber 1997, "Long Short-Term Memory", with the forget
    gate of Gers et al. 2000, "Learning to Forget").

    Args:
        gates: `float [B, 4 * U]`, before their nonlinearities.
        carry: `float32 [B, U]`, c.

    Returns:
        h and c', each `float32 [B, U]`, and the record: i, f, g, o, tanh(c') and c.
    """
    i, f, g, o = tf.split(tf.cast(gates, tf.float32), 4, axis=-1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    following = f * carry + i * g
    squashed = tf.tanh(following)
    return o * squashed, following, [i, f, g, o, squashed, carry]


def reverse_lstm(
    record: Tensors, d_hidden: tf.Tensor, d_carry: tf.Tensor, dtype: tf.DType
) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes the backward pass of `advance_lstm`.

    With s = tanh(c'), dc' grows by dh o (1 - s^2). The gates then get di = dc' g i (1 - i),
    df = dc' c f (1 - f), dg = dc' i (1 - g^2) and do = dh s o (1 - o), and the carry before the
    step gets dc = dc' f.

    Args:
        record: What `advance_lstm` recorded.
        d_hidden: `float32 [B, U]`, dh.
        d_carry: `float32 [B, U]`, dc' without what comes through h.
        dtype: Type of the gates' gradients.

    Returns:
        The gradients with respect to the gates, `[B, 4 * U]`, and to c, `float32 [B, U]`.
    """
    i, f, g, o, squashed, carry = record
    d_sigmoid, d_tanh = tf.raw_ops.SigmoidGrad, tf.raw_ops.TanhGrad
    d_carry += d_tanh(y=squashed, dy=d_hidden * o)
    d_gates = [
        d_sigmoid(y=i, dy=d_carry * g),
        d_sigmoid(y=f, dy=d_carry * carry),
        d_tanh(y=g, dy=d_carry * i),
        d_sigmoid(y=o, dy=d_hidden * squashed),
    ]
    # Cast first: narrow columns are moved in half the time.
    return tf.concat([tf.cast(x, dtype) for x in d_gates], axis=-1), d_carry * f


def run_lstm(
    inputs: tf.Tensor, lengths: tf.Tensor, kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Runs one LSTM layer over padded sequences, from a state of zeros.

    Args:
        inputs: `float [S, B, X]`; its type is that of the matrix products.
        lengths: `int32 [B]`, at least 1; padding is on the right.
        kernel: `float32 [X, 4 * U]`.
        recurrent: `float32 [U, 4 * U]`.
        bias: `float32 [4 * U]`.

    Returns:
        The hidden states `[S, B, U]`, of the inputs' type and undefined on padding, and hidden
        state and carry after the last real step, each `float32 [B, U]`.
    """
    dtype = inputs.dtype
    joined = tf.concat([tf.cast(kernel, dtype), tf.cast(recurrent, dtype)], axis=0)
    hiddens, carries = _recur(inputs, joined, tf.cast(bias, dtype))
    # What comes after the last real step is computed and not used: no step has to ask.
    last = take_last(hiddens, lengths)
    return hiddens, tf.cast(last, tf.float32), take_last(carries, lengths)


@tf.custom_gradient
def _recur(inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> Any:
    """Returns the hidden states `[S, B, U]` and the carries `float32 [S, B, U]` of all steps."""
    dtype, size, units = inputs.dtype, inputs.shape[-1], bias.shape[0] // 4
    zeros = tf.zeros([tf.shape(inputs)[1], units])

    def step(inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        joined = tf.concat([*inputs, state[0]], axis=-1)
        hidden, carry, record = advance_lstm(multiply(joined, kernel, bias), state[1])
        hidden = tf.cast(hidden, dtype)
        return [hidden, carry, *record], [hidden, carry]

    start = [tf.cast(zeros, dtype), zeros]
    shapes = [(dtype, [None, units]), (tf.float32, [None, units]), *list_record_shapes(units)]
    (hiddens, carries, *records), _ = run_steps(step, [inputs], start, shapes)
    hiddens, carries = hiddens.stack(), carries.stack()

    def gradient(d_hiddens: tf.Tensor, d_carries: tf.Tensor) -> tuple[tf.Tensor, ...]:
        d_gates = _recur_backwards(d_hiddens, d_carries, records, kernel[size:])
        before = tf.concat([start[0][tf.newaxis], hiddens[:-1]], axis=0)
        d_kernel = weights_gradient(tf.concat([inputs, before], axis=-1), d_gates)
        d_inputs = multiply(d_gates, tf.transpose(kernel[:size]))
        return d_inputs, d_kernel, bias_gradient(d_gates)

    return (hiddens, carries), gradient


def _recur_backwards(
    d_hiddens: tf.Tensor, d_carries: tf.Tensor, records: list[Any], recurrent: tf.Tensor
) -> tf.Tensor:
    """Returns the gradients with respect to all gates, of the weights' type, `[S, B, 4 * U]`."""
    # Transposed once: for a few rows a product that transposes its weights takes longer.
    transposed = tf.transpose(recurrent)

    def step(inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        d_hidden, d_carry = inputs[0] + state[0], inputs[1] + state[1]
        d_gates, d_carry = reverse_lstm(inputs[2:], d_hidden, d_carry, recurrent.dtype)
        d_hidden = tf.cast(tf.matmul(d_gates, transposed), tf.float32)
        return [d_gates], [d_hidden, d_carry]

    inputs = [tf.cast(d_hiddens, tf.float32), d_carries, *records]
    zeros = tf.zeros_like(d_carries[0])
    shapes = [(recurrent.dtype, [None, recurrent.shape[1]])]
    (d_gates,), _ = run_steps(step, inputs, [zeros, zeros], shapes, backwards=True)
    return d_gates.stack()
