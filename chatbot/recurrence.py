"""LSTM steps in loops that leave the weights' gradients for afterwards.

Differentiating a loop adds up, at every step, a gradient as large as each weight matrix, from a
product over one step's few rows. Here a product inside the loop adds a `slot`, a tensor of zeros
with a place for every step. The gradient that arrives in the slots is the gradient of the
products, and one product over all steps at once turns it into the weights' gradient. The sums are
the same; the order of the additions is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import tensorflow as tf

Tensors = list[tf.Tensor]


def run_steps(
    step: Callable[[Tensors, Tensors], tuple[Tensors, Tensors]],
    inputs: Sequence[tf.Tensor],
    state: Sequence[tf.Tensor],
    output_shapes: Sequence[tuple[tf.DType, Sequence[Any]]],
) -> tuple[Tensors, Tensors]:
    """Runs a step over the leading dimension of its inputs.

    Args:
        step: Takes the inputs of one step and the state, returns the outputs and the next state.
        inputs: `[steps, ...]`, at least one.
        state: The state before the first step.
        output_shapes: (type, shape) of each output of `step`.

    Returns:
        The outputs, each `[steps, ...]`, and the last state.
    """
    count = tf.shape(inputs[0])[0]
    sources = [tf.TensorArray(x.dtype, count, element_shape=x.shape[1:]).unstack(x) for x in inputs]
    results = [tf.TensorArray(dtype, count, element_shape=shape) for dtype, shape in output_shapes]

    def body(time: tf.Tensor, results: Any, state: Any) -> Any:
        outputs, following = step([source.read(time) for source in sources], list(state))
        written = [result.write(time, x) for result, x in zip(results, outputs)]
        return time + 1, written, following

    _, results, state = tf.while_loop(
        lambda time, *_: time < count,
        body,
        (tf.constant(0), results, list(state)),
        maximum_iterations=count,
    )
    return [result.stack() for result in results], list(state)


def advance_lstm(gates: tf.Tensor, carry: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes the elementwise part of an LSTM step, in the order of Keras' weights.

    Args:
        gates: `float32 [B, 4 * U]`: input, forget, cell and output gate before their
            nonlinearities.
        carry: `float32 [B, U]`.

    Returns:
        The new hidden state and the new carry, each `float32 [B, U]`.
    """
    enter, forget, cell, leave = tf.split(gates, 4, axis=-1)
    carry = tf.sigmoid(forget) * carry + tf.sigmoid(enter) * tf.tanh(cell)
    return tf.sigmoid(leave) * tf.tanh(carry), carry


class Matrix:
    """Weights to multiply by in a loop, whose own gradient is somebody else's business.

    The transposed weights are laid out once, before the loop: for a few rows a product that
    transposes on the way takes twice as long.
    """

    def __init__(self, weights: tf.Tensor) -> None:
        """Lays the weights out.

        Args:
            weights: `[X, Y]`.
        """
        self.dtype = weights.dtype
        self._weights = tf.stop_gradient(weights)
        self._transposed = tf.transpose(self._weights)

    def multiply(self, x: tf.Tensor) -> tf.Tensor:
        """Multiplies rows by the weights.

        Args:
            x: `[B, X]`, of any floating type.

        Returns:
            `float32 [B, Y]`, differentiable by `x` alone.
        """

        @tf.custom_gradient
        def product(x: tf.Tensor) -> Any:
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                return tf.matmul(tf.cast(upstream, self.dtype), self._transposed)

            return tf.cast(tf.matmul(x, self._weights), tf.float32), gradient

        return product(tf.cast(x, self.dtype))


def weights_gradient(inputs: tf.Tensor, slots: tf.Tensor) -> tf.Tensor:
    """Multiplies all steps' inputs by all steps' gradients.

    Args:
        inputs: `[steps, B, X]`, what was multiplied by the weights.
        slots: `float32 [steps, B, Y]`, the gradient of the products.

    Returns:
        `[X, Y]`, of the inputs' type.
    """
    rows = tf.reshape(inputs, [-1, inputs.shape[-1]])
    gradients = tf.cast(tf.reshape(slots, [-1, slots.shape[-1]]), inputs.dtype)
    # The same product the other way round takes a quarter longer.
    return tf.transpose(tf.matmul(gradients, rows, transpose_a=True))


@tf.custom_gradient
def multiply_rows(rows: tf.Tensor, weights: tf.Tensor) -> Any:
    """Multiplies many rows by weights, and differentiates by both.

    Args:
        rows: `[N, X]`.
        weights: `[X, Y]`, of the rows' type.

    Returns:
        `float32 [N, Y]`.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        upstream = tf.cast(upstream, rows.dtype)
        by_rows = tf.matmul(upstream, weights, transpose_b=True)
        return by_rows, weights_gradient(rows, upstream)

    return tf.cast(tf.matmul(rows, weights), tf.float32), gradient


def run_lstm(
    inputs: tf.Tensor, mask: tf.Tensor, kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Runs one LSTM layer over padded sequences, from a state of zeros.

    Args:
        inputs: `float [S, B, X]`; its type is that of the matrix products.
        mask: `bool [S, B, 1]`, true on real steps and false on padding, which is on the right.
        kernel: `float32 [X, 4 * U]`.
        recurrent: `float32 [U, 4 * U]`.
        bias: `float32 [4 * U]`.

    Returns:
        The hidden states `float32 [S, B, U]`, repeated over the padding, and the last hidden state
        and carry, each `float32 [B, U]`.
    """
    dtype, units = inputs.dtype, recurrent.shape[0]
    rows = tf.reshape(inputs, [-1, inputs.shape[-1]])
    gates = multiply_rows(rows, tf.cast(kernel, dtype)) + bias
    gates = tf.reshape(gates, [*tf.unstack(tf.shape(inputs)[:2]), 4 * units])
    return _recur(gates, mask, tf.cast(recurrent, dtype))  # type: ignore[no-any-return]


@tf.custom_gradient
def _recur(gates: tf.Tensor, mask: tf.Tensor, recurrent: tf.Tensor) -> Any:
    """Runs the recurrence; the gates are their own slots."""
    units = recurrent.shape[0]
    zeros = tf.zeros([tf.shape(gates)[1], units])
    matrix = Matrix(recurrent)
    with tf.GradientTape() as tape:
        tape.watch(gates)

        def step(inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
            (gate, real), (hidden, carry) = inputs, state
            gate += matrix.multiply(hidden)
            new_hidden, new_carry = advance_lstm(gate, carry)
            hidden = tf.where(real, new_hidden, hidden)
            carry = tf.where(real, new_carry, carry)
            return [hidden], [hidden, carry]

        shapes = [(tf.float32, [None, units])]
        (hiddens,), (hidden, carry) = run_steps(step, [gates, mask], [zeros, zeros], shapes)

    def gradient(*upstream: tf.Tensor) -> tuple[Any, ...]:
        slots = tape.gradient((hiddens, hidden, carry), gates, upstream)
        before = tf.concat([zeros[tf.newaxis], hiddens[:-1]], axis=0)
        return slots, None, weights_gradient(tf.cast(before, recurrent.dtype), slots)

    return (hiddens, hidden, carry), gradient
