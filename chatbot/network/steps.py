"""Loops over time steps, with everything large outside the loops.

TensorFlow's gradient of a loop adds up, at every step, a gradient as large as each weight matrix.
Here the backward pass is a second loop that computes the gradients of the gates alone; one product
over all its steps then gives the weights' gradients. The sums are the same, but their terms are
added in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Tensors = list[tf.Tensor]
Shapes = list[tuple[tf.DType, list[Any]]]


def run_steps(
    step: Callable[[Tensors, Tensors], tuple[Tensors, Tensors]],
    inputs: Sequence[Any],
    state: Sequence[tf.Tensor],
    shapes: Shapes,
    backwards: bool = False,
) -> tuple[list[Any], Tensors]:
    """Runs a step over the leading dimension of its inputs.

    Args:
        step: Takes the inputs of one step and the state, returns the results and the next state.
        inputs: Tensors `[steps, ...]`, at least the first one; the others may be arrays that came
            out of another loop.
        state: The state before the first step.
        shapes: (type, shape) of each result of `step`.
        backwards: Whether to begin with the last step.

    Returns:
        The results, an array of all steps each, and the last state. Reading an array step by
        step copies nothing; `stack` makes a tensor of it.
    """
    count = tf.shape(inputs[0])[0]
    results = [
        tf.TensorArray(dtype, count, element_shape=shape, clear_after_read=False)
        for dtype, shape in shapes
    ]

    def body(done: tf.Tensor, results: Any, state: Any) -> Any:
        time = count - 1 - done if backwards else done
        outputs, following = step([_read(source, time) for source in inputs], list(state))
        written = [result.write(time, x) for result, x in zip(results, outputs)]
        return done + 1, written, following

    _, results, state = tf.while_loop(
        lambda done, *_: done < count, body, (tf.constant(0), results, list(state))
    )
    return list(results), list(state)


def _read(source: Any, time: tf.Tensor) -> tf.Tensor:
    return source.read(time) if isinstance(source, tf.TensorArray) else source[time]


def take_last(steps: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Picks each row's last real step.

    Args:
        steps: `[S, B, ...]`.
        lengths: `int32 [B]`, at least 1.

    Returns:
        `[B, ...]`.
    """
    return tf.gather_nd(steps, tf.stack([lengths - 1, tf.range(tf.size(lengths))], axis=1))


def multiply(x: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor | None = None) -> tf.Tensor:
    """Computes x W + b, all of one type, which TensorFlow fuses into one call.

    Args:
        x: `[..., X]`.
        weights: `[X, Y]`.
        bias: `[Y]`, or None.

    Returns:
        `[..., Y]`.
    """
    product = tf.matmul(tf.reshape(x, [-1, weights.shape[0]]), weights)
    product = product if bias is None else tf.nn.bias_add(product, bias)
    return tf.reshape(product, tf.concat([tf.shape(x)[:-1], weights.shape[1:]], axis=0))


def weights_gradient(inputs: tf.Tensor, d_products: tf.Tensor) -> tf.Tensor:
    """Computes the gradient with respect to weights `[X, Y]`, summed over all rows.

    Args:
        inputs: `[..., X]`, what was multiplied by the weights.
        d_products: `[..., Y]`, of the same type.
    """
    rows = tf.reshape(inputs, [-1, inputs.shape[-1]])
    gradients = tf.reshape(d_products, [-1, d_products.shape[-1]])
    return tf.matmul(rows, gradients, transpose_a=True)


def bias_gradient(d_products: tf.Tensor) -> tf.Tensor:
    """Sums rows `[..., Y]` to `[Y]` by a product, which adds in float32 whatever the type."""
    rows = tf.reshape(d_products, [-1, d_products.shape[-1]])
    return tf.matmul(tf.ones([1, tf.shape(rows)[0]], rows.dtype), rows)[0]
