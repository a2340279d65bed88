"""An LSTM layer by cuDNN on an NVIDIA GPU, over the variables that our own loop takes."""

from __future__ import annotations

import tensorflow as tf

from chatbot.network.device import has_gpu
from chatbot.network.variables import LayerWeights


def has_cudnn() -> bool:
    """Tells whether there is a GPU and this TensorFlow has cuDNN's kernels for it."""
    return has_gpu() and bool(tf.test.is_built_with_cuda())


def run_cudnn_lstm(
    inputs: tf.Tensor, lengths: tf.Tensor, weights: LayerWeights
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Does what `fast_layer.run_layer` does; the hidden states are zero on padding.

    The whole layer, state and nonlinearities included, is in the type of the inputs.
    """
    _, kernel, recurrent, bias, _ = weights
    start = tf.zeros([1, tf.shape(inputs)[1], recurrent.shape[0]], inputs.dtype)
    hiddens, hidden, carry, *_ = tf.raw_ops.CudnnRNNV3(
        input=inputs,
        input_h=start,
        input_c=start,
        params=tf.cast(pack_weights(kernel, recurrent, bias), inputs.dtype),
        sequence_lengths=lengths,
    )
    return hiddens, tf.cast(hidden[0], tf.float32), tf.cast(carry[0], tf.float32)


def pack_weights(kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Lays out a layer's weights as `cudnnGetRNNWeightParams` numbers them.

    The gates are in our order, i, f, g, o. Each gate's matrix has a row for each unit, first the
    four for the inputs and then the four for the hidden state. cuDNN adds a bias to either product;
    the inputs' is zero here.

    Args:
        kernel: `float32 [X, 4 * U]`.
        recurrent: `float32 [U, 4 * U]`.
        bias: `float32 [4 * U]`.

    Returns:
        `float32 [4 * U * (X + U + 2)]`.
    """
    # The transposed matrix has the gates' matrices one below the other.
    parts = [tf.transpose(kernel), tf.transpose(recurrent), tf.zeros_like(bias), bias]
    return tf.concat([tf.reshape(part, [-1]) for part in parts], axis=0)
