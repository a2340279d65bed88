"""The elementwise part of a GRU's step, with its backward pass; `fast_lstm` has an LSTM's.

The gates are z, r and the candidate's two parts: p of the inputs, q of the hidden state.
"""

from __future__ import annotations

import tensorflow as tf

from chatbot.network.steps import Tensors

RECORDS = 5
"""Tensors that a step records for its backward pass."""


def advance_gru(gates: tf.Tensor, carry: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, Tensors]:
    """Takes the elementwise part of a GRU step.

    With z = sigmoid and r = sigmoid of their gates and n = tanh(p + r q), h' = z h + (1 - z) n (Cho
    et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
    Translation"). There r multiplies h before the product; here, as in cuDNN and with Keras'
    `reset_after`, it multiplies the product, so that one product serves all gates.

    Args:
        gates: `float [B, 4 * U]`, before their nonlinearities.
        carry: `float32 [B, U]`, h.

    Returns:
        h' twice, as output and as carry, each `float32 [B, U]`, and the record: z, r, n, q and h.
    """
    z, r, p, q = tf.split(tf.cast(gates, tf.float32), 4, axis=-1)
    z, r = tf.sigmoid(z), tf.sigmoid(r)
    n = tf.tanh(p + r * q)
    following = z * carry + (1.0 - z) * n
    return following, following, [z, r, n, q, carry]


def reverse_gru(
    record: Tensors, d_hidden: tf.Tensor, d_carry: tf.Tensor, dtype: tf.DType
) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes the backward pass of `advance_gru`.

    With d the sum of both gradients with respect to h', dz = d (h - n) z (1 - z) and
    dp = d (1 - z) (1 - n^2); then dr = dp q r (1 - r), dq = dp r and dh = d z.

    Args:
        record: What `advance_gru` recorded.
        d_hidden: `float32 [B, U]`, of the output.
        d_carry: `float32 [B, U]`, of the carry.
        dtype: Type of the gates' gradients.

    Returns:
        The gradients with respect to the gates, `[B, 4 * U]`, and to h, `float32 [B, U]`.
    """
    z, r, n, q, carry = record
    d_carry += d_hidden
    d_sigmoid = tf.raw_ops.SigmoidGrad
    d_inputs = tf.raw_ops.TanhGrad(y=n, dy=d_carry * (1.0 - z))
    d_gates = [
        d_sigmoid(y=z, dy=d_carry * (carry - n)),
        d_sigmoid(y=r, dy=d_inputs * q),
        d_inputs,
        d_inputs * r,
    ]
    return tf.concat([tf.cast(x, dtype) for x in d_gates], axis=-1), d_carry * z
