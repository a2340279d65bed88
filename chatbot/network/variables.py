"""The network's variables, float32, under the names that its checkpoints know them by.

First weights are drawn as Keras 2.15 draws them from the same seeds, so that a training with a
given seed is the same training on every version of TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import tensorflow as tf


class Matrix(tf.Module):
    """A matrix without a bias.

    Attributes:
        kernel: `float32 [X, Y]`.
    """

    def __init__(self, rows: int, columns: int, seeds: Random) -> None:
        super().__init__()
        self.kernel = tf.Variable(draw_glorot([rows, columns], seeds))


class LSTMVariables(tf.Module):
    """An LSTM layer's variables, for the gates i, f, g, o in this order.

    Attributes:
        kernel: `float32 [X, 4 * U]`, for the layer's inputs.
        recurrent_kernel: `float32 [U, 4 * U]`, for its hidden state.
        bias: `float32 [4 * U]`; that of f begins at 1 (Jozefowicz et al. 2015, "An Empirical
            Exploration of Recurrent Network Architectures").
    """

    def __init__(self, input_size: int, units: int, seeds: Random) -> None:
        super().__init__()
        self.kernel = tf.Variable(draw_glorot([input_size, 4 * units], seeds))
        self.recurrent_kernel = tf.Variable(draw_orthogonal([units, 4 * units], seeds))
        ones, zeros = tf.ones([units]), tf.zeros([units])
        self.bias = tf.Variable(tf.concat([zeros, ones, zeros, zeros], axis=0))

    def listed(self) -> list[tf.Variable]:
        """Returns the variables in the order in which Keras lists them."""
        return [self.kernel, self.recurrent_kernel, self.bias]


def draw_glorot(shape: Sequence[int], seeds: Random) -> tf.Tensor:
    """Draws from the uniform distribution of Glorot and Bengio 2010, equation 16.

    "Understanding the difficulty of training deep feedforward neural networks".

    Args:
        shape: Of a matrix, or of a vector, which counts as its own fan-in and fan-out.
        seeds: One is taken.
    """
    return draw_uniform(shape, math.sqrt(6.0 / (shape[0] + shape[-1])), seeds)


def draw_uniform(shape: Sequence[int], limit: float, seeds: Random) -> tf.Tensor:
    """Draws from -limit to limit, with one of the seeds."""
    return tf.random.stateless_uniform(shape, _take_seed(seeds), -limit, limit)


def draw_orthogonal(shape: Sequence[int], seeds: Random) -> tf.Tensor:
    """Draws a matrix with orthonormal rows or columns.

    Saxe et al. 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks".

    Args:
        shape: Rows and columns.
        seeds: One is taken.
    """
    normal = tf.random.stateless_normal([max(shape), min(shape)], _take_seed(seeds))
    q, r = tf.linalg.qr(normal)
    q *= tf.sign(tf.linalg.diag_part(r))
    return tf.transpose(q) if shape[0] < shape[1] else q


def draw_truncated_normal(shape: Sequence[int], deviation: float, seeds: Random) -> tf.Tensor:
    """Draws from a normal distribution, redrawing what is beyond two standard deviations.

    Args:
        shape: Any.
        deviation: The standard deviation before the cut.
        seeds: One is taken.
    """
    return tf.random.stateless_truncated_normal(shape, _take_seed(seeds), 0.0, deviation)


def _take_seed(seeds: Random) -> list[int]:
    return [seeds.randrange(2**31), 0]
