"""Layer normalisation (Ba et al. 2016, "Layer Normalization"), with its backward pass."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from chatbot.network.steps import Shapes, Tensors

EPSILON = 1e-5
"""Added to the variance."""


class LayerNorm:
    """y = gain (x - m) / sqrt(v + EPSILON) + bias, with mean m and variance v over a row's group.

    A row is cut into groups of the same width, each with its own mean and variance. A layer's gates
    are four groups: in a recurrent cell this is the normalisation inside the cell of RNMT+ (Chen et
    al. 2018, "The Best of Both Worlds: Combining Recent Advances in Neural Machine Translation"),
    gate by gate and before the nonlinearities. All of it is in float32.

    Attributes:
        gain: `float32 [groups * U]`.
        bias: `float32 [groups * U]`.
    """

    def __init__(self, gain: Any, bias: Any, groups: int = 1) -> None:
        """Takes the variables."""
        self.gain, self.bias = gain, bias
        self._groups, self._width = groups, int(gain.shape[0])

    @property
    def record_shapes(self) -> Shapes:
        """(type, shape) of what `forward` records of `[B, groups * U]`."""
        return [(tf.float32, [None, self._width]), (tf.float32, [None, self._groups, 1])]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Normalises `float [..., groups * U]`, to float32."""
        rows = self.forward(tf.reshape(x, [-1, self._width]))[0]
        return tf.reshape(rows, tf.concat([tf.shape(x)[:-1], [self._width]], axis=0))

    def forward(self, x: tf.Tensor) -> tuple[tf.Tensor, Tensors]:
        """Normalises `float [B, groups * U]`; returns y in float32 and a record."""
        x = self._cut(tf.cast(x, tf.float32))
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        scale = tf.math.rsqrt(variance + EPSILON)
        normed = tf.reshape(centred * scale, [-1, self._width])
        return normed * self.gain + self.bias, [normed, scale]

    def backward(self, record: Tensors, d_y: tf.Tensor) -> tf.Tensor:
        """Returns the gradient with respect to x, `float32 [B, groups * U]`.

        With n = (x - m) / sqrt(v + EPSILON) and dn = dy gain, it is
        (dn - mean(dn) - n mean(dn n)) / sqrt(v + EPSILON).
        """
        normed, d_normed = self._cut(record[0]), self._cut(d_y * self.gain)
        mean = tf.reduce_mean(d_normed, axis=-1, keepdims=True)
        along = tf.reduce_mean(d_normed * normed, axis=-1, keepdims=True)
        d_x = (d_normed - mean - normed * along) * record[1]
        return tf.reshape(d_x, [-1, self._width])

    def _cut(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x, [-1, self._groups, self._width // self._groups])
