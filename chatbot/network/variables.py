"""The network's variables, float32, under the names that its checkpoints know them by.

First weights are drawn as Keras 2.15 draws them from the same seeds, so that a training with a
given seed is the same training on every version of TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.network.dropout import draw_mask


class Matrix(tf.Module):
    """A matrix without a bias.

    Attributes:
        kernel: `float32 [X, Y]`.
    """

    def __init__(self, rows: int, columns: int, seeds: Random) -> None:
        super().__init__()
        self.kernel = tf.Variable(draw_glorot([rows, columns], seeds))


class LayerWeights(NamedTuple):
    """What a layer's step computes with, in one form for every cell.

    A step multiplies its inputs x `[B, X]` and the hidden state h `[B, U]` side by side, and
    the gates are norm(x kernel + h recurrent_kernel) + bias, four of U columns.

    Attributes:
        cell: "lstm" or "gru".
        kernel: `float32 [X, 4 * U]`.
        recurrent_kernel: `float32 [U, 4 * U]`.
        bias: `float32 [4 * U]`.
        gain: `float32 [4 * U]`, of the layer norm; None without one.
    """

    cell: str
    kernel: Any
    recurrent_kernel: Any
    bias: Any
    gain: Any


class LayerVariables(tf.Module):
    """A recurrent layer's variables.

    Attributes:
        kernel: For the layer's inputs.
        recurrent_kernel: For its hidden state.
        bias: `float32 [4 * U]`, added to its gates.
        gain: `float32 [4 * U]`, of the layer norm, which begins at 1; None without one.
    """

    cell: str
    kernel: tf.Variable
    recurrent_kernel: tf.Variable
    bias: tf.Variable

    def __init__(self, units: int, layer_norm: bool) -> None:
        super().__init__()
        self.gain = tf.Variable(tf.ones([4 * units])) if layer_norm else None

    def listed(self) -> list[tf.Variable]:
        """Returns the variables in the order in which Keras lists them."""
        gain = [] if self.gain is None else [self.gain]
        return [self.kernel, self.recurrent_kernel, self.bias, *gain]

    def weights(self, mask: tf.Tensor | None = None) -> LayerWeights:
        """Lays the variables out for the loops.

        Args:
            mask: Multiplied with the recurrent kernel, of its shape; None for nothing.
        """
        recurrent = self.recurrent_kernel if mask is None else self.recurrent_kernel * mask
        return LayerWeights(self.cell, self.kernel, recurrent, self.bias, self.gain)


class LSTMVariables(LayerVariables):
    """An LSTM layer's variables, for the gates i, f, g, o in this order.

    Attributes:
        kernel: `float32 [X, 4 * U]`.
        recurrent_kernel: `float32 [U, 4 * U]`.
        bias: That of f begins at 1 (Jozefowicz et al. 2015, "An Empirical Exploration of Recurrent
            Network Architectures").
    """

    cell = "lstm"

    def __init__(
        self, input_size: int, units: int, seeds: Random, layer_norm: bool = False
    ) -> None:
        super().__init__(units, layer_norm)
        self.kernel = tf.Variable(draw_glorot([input_size, 4 * units], seeds))
        self.recurrent_kernel = tf.Variable(draw_orthogonal([units, 4 * units], seeds))
        ones, zeros = tf.ones([units]), tf.zeros([units])
        self.bias = tf.Variable(tf.concat([zeros, ones, zeros, zeros], axis=0))


class GRUVariables(LayerVariables):
    """A GRU layer's variables, for z, r and the candidate n in this order, as Keras has them.

    Attributes:
        kernel: `float32 [X, 3 * U]`.
        recurrent_kernel: `float32 [U, 3 * U]`.
        bias: Of z, of r, of the inputs' part of n and of the hidden state's.
    """

    cell = "gru"

    def __init__(
        self, input_size: int, units: int, seeds: Random, layer_norm: bool = False
    ) -> None:
        super().__init__(units, layer_norm)
        self.kernel = tf.Variable(draw_glorot([input_size, 3 * units], seeds))
        self.recurrent_kernel = tf.Variable(draw_orthogonal([units, 3 * units], seeds))
        self.bias = tf.Variable(tf.zeros([4 * units]))

    def weights(self, mask: tf.Tensor | None = None) -> LayerWeights:
        """As in `LayerVariables`: the two parts of n have columns of their own.

        What a part does not read is multiplied by zeros, so that one product serves every cell; it
        is a third larger than the three gates need, and as large as an LSTM's.
        """
        given = super().weights(mask)
        *gates, candidate = tf.split(tf.convert_to_tensor(given.recurrent_kernel), 3, axis=-1)
        nothing = tf.zeros_like(candidate)
        recurrent = tf.concat([*gates, nothing, candidate], axis=-1)
        kernel = tf.pad(given.kernel, [[0, 0], [0, candidate.shape[1]]])
        return given._replace(kernel=kernel, recurrent_kernel=recurrent)


LAYERS: dict[str, Callable[..., LayerVariables]] = {"lstm": LSTMVariables, "gru": GRUVariables}
"""What makes a layer of each `--cell`."""


def weigh(layer: LayerVariables, seed: tf.Tensor | None, stream: int, rate: float) -> LayerWeights:
    """Lays out a layer's variables, some weights between its hidden states dropped.

    This is the weight drop of Merity et al. 2018, "Regularizing and Optimizing LSTM Language
    Models", after the DropConnect of Wan et al. 2013: one mask for all rows and steps of a batch.

    Args:
        layer: The variables.
        seed: `int32 [2]` in training; None drops nothing.
        stream: See `dropout`.
        rate: The fraction dropped.
    """
    if seed is None or rate == 0:
        return layer.weights()
    shape = layer.recurrent_kernel.shape
    return layer.weights(draw_mask(seed, stream, shape, rate, tf.float32))


def stop_gradients(frozen: tf.Tensor, vectors: Any) -> tf.Tensor:
    """Returns word vectors `[..., E]`, those that are frozen, `bool [..., 1]`, without gradient."""
    return tf.where(frozen, tf.stop_gradient(vectors), vectors)


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


def root_mean_square(numbers: tf.Tensor) -> tf.Tensor:
    """Computes the root mean square of `float32 [...]`, `float32 []`."""
    return tf.sqrt(tf.reduce_mean(tf.square(numbers)))


def _take_seed(seeds: Random) -> list[int]:
    return [seeds.randrange(2**31), 0]
