"""Matrix products with weights that no longer change."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf

FUSED = "_FusedMatMul"
"""TensorFlow's product and bias in one operation, which reorders constant weights only once."""
LARGEST = 1 << 27
"""Most bytes of weights that become a constant: a graph has to stay below 2 GB."""


class Product:
    """x W + b, in float32 or with a product in bfloat16.

    The kernel is `float32 [X, Y]`, the bias `float32 [Y]` or None. In bfloat16, inside a graph,
    they become constants of the graph: oneDNN then keeps them in the layout that its product reads,
    and need not reorder them for every few rows.
    """

    def __init__(self, kernel: tf.Tensor, bias: tf.Tensor | None, dtype: tf.DType) -> None:
        self._dtype = dtype
        self._kernel: Any = tf.cast(kernel, dtype)
        self._bias = bias
        self._fused_bias: Any = None
        size = kernel.shape.num_elements() * dtype.size
        if dtype == tf.bfloat16 and size <= LARGEST and _fuses_bfloat16():
            added = tf.zeros(kernel.shape[1:]) if bias is None else bias
            self._kernel = self._kernel.numpy()
            self._fused_bias = tf.cast(added, dtype).numpy()

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Multiplies rows by the weights, from `float [N, X]` to `float32 [N, Y]`."""
        x = tf.cast(x, self._dtype)
        if self._fused_bias is not None and not tf.executing_eagerly():
            return tf.cast(_multiply_fused(x, self._kernel, self._fused_bias), tf.float32)
        product = tf.cast(tf.matmul(x, self._kernel), tf.float32)
        return product if self._bias is None else product + self._bias


def _multiply_fused(x: tf.Tensor, kernel: Any, bias: Any) -> tf.Tensor:
    """Multiplies by constants; call it inside a graph."""
    value = tf.compat.v1.AttrValue
    attributes = {
        "T": value(type=x.dtype.as_datatype_enum),
        "num_args": value(i=1),
        "fused_ops": value(list=value.ListValue(s=[b"BiasAdd"])),
    }
    inputs = [x, tf.constant(kernel), tf.constant(bias)]
    graph = tf.compat.v1.get_default_graph()
    return graph.create_op(FUSED, inputs, [x.dtype], name="product", attrs=attributes).outputs[0]


@functools.cache
def _fuses_bfloat16() -> bool:
    """Tells whether this build of TensorFlow can do it, by trying."""
    ones = np.ones([2, 2], tf.bfloat16.as_numpy_dtype)

    def multiply() -> tf.Tensor:
        return _multiply_fused(tf.constant(ones), ones, ones[0])

    try:
        found = tf.function(multiply, autograph=False)()
    except (tf.errors.OpError, ValueError, TypeError):
        return False
    return bool(tf.reduce_all(found == 3.0))
