"""The elementwise part of an LSTM's step, with its backward pass.

The gates are in the order of Keras' weights: i, f, g, o for input, forget, cell and output gate.
"""

from __future__ import annotations

import tensorflow as tf

from chatbot.network.steps import Tensors

RECORDS = 6
"""Tensors that a step records for its backward pass."""


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
