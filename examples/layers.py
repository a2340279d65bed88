"""Layers that the chatbot itself does not have, in plain TensorFlow."""

from __future__ import annotations

import math
from random import Random

import tensorflow as tf

from chatbot.network.fast_layer import run_layer
from chatbot.network.steps import multiply
from chatbot.network.variables import LSTMVariables, draw_glorot, draw_uniform


class Dense(tf.Module):
    """x W + b, from `float32 [..., X]` to `float32 [..., Y]`."""

    def __init__(self, size: int, units: int, seeds: Random) -> None:
        super().__init__()
        self.kernel = tf.Variable(draw_glorot([size, units], seeds))
        self.bias = tf.Variable(tf.zeros([units]))

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Computes it."""
        return multiply(x, self.kernel, self.bias)


class Convolution(tf.Module):
    """A convolution of 3 by 3, padded with zeros, from `[B, H, W, X]` to `[B, H', W', Y]`."""

    def __init__(self, size: int, channels: int, seeds: Random, stride: int = 1) -> None:
        super().__init__()
        limit = math.sqrt(6.0 / (9 * size))  # for rectifiers: He et al. 2015, equation 10
        self.kernel = tf.Variable(draw_uniform([3, 3, size, channels], limit, seeds))
        self.bias = tf.Variable(tf.zeros([channels]))
        self._stride = stride

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Computes it; with a stride of 2, H' is half of H."""
        return tf.nn.bias_add(tf.nn.conv2d(x, self.kernel, self._stride, "SAME"), self.bias)


class BidirectionalLSTM(tf.Module):
    """Two of the chatbot's LSTM layers, one of which reads from the last real token to the first.

    Schuster and Paliwal 1997, "Bidirectional Recurrent Neural Networks".
    """

    def __init__(self, size: int, units: int, seeds: Random) -> None:
        super().__init__()
        self.directions = [LSTMVariables(size, units, seeds) for _ in range(2)]

    def __call__(self, inputs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Reads `float32 [B, S, X]`, padded on the right, into states `float32 [B, S, 2 * U]`.

        Args:
            inputs: The sequences.
            lengths: `int32 [B]`, their real tokens.
        """
        forwards, backwards = self.directions
        reversed_inputs = tf.reverse_sequence(inputs, lengths, seq_axis=1)
        there = _run(forwards, inputs, lengths)
        back = tf.reverse_sequence(_run(backwards, reversed_inputs, lengths), lengths, seq_axis=1)
        return tf.concat([there, back], axis=-1)


def _run(layer: LSTMVariables, inputs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    outputs, *_ = run_layer(tf.transpose(inputs, [1, 0, 2]), lengths, layer.weights())
    return tf.transpose(outputs, [1, 0, 2])


def draw_vectors(count: int, size: int, seeds: Random) -> tf.Variable:
    """Draws the vectors of so many words, `float32 [count, size]`."""
    return tf.Variable(draw_uniform([count, size], 0.1, seeds))


def count_positions(memory: tf.Tensor) -> tf.Tensor:
    """Returns the lengths of a memory without padding, as that of an image is: `int32 [B]`."""
    return tf.fill(tf.shape(memory)[:1], tf.shape(memory)[1])


def list_places(height: int, width: int) -> tf.Tensor:
    """Lists the positions of a picture, row by row: `float32 [H * W, 2]`, x and y from 0 to 1."""
    y, x = tf.meshgrid(tf.linspace(0.0, 1.0, height), tf.linspace(0.0, 1.0, width), indexing="ij")
    return tf.reshape(tf.stack([x, y], axis=-1), [-1, 2])
