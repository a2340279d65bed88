"""LSTM steps in loops, forwards and backwards, with everything large outside the loops.

A loop that is differentiated step by step adds up, at every step, a gradient as large as each
weight matrix. Here the way back is a loop of its own that computes the gradients of the gates
alone; one product over all its steps then gives the weights' gradient. The sums are the same; the
order of the additions is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Tensors = list[tf.Tensor]
Shapes = list[tuple[tf.DType, list[Any]]]

RECORDS = 6
"""Tensors that a step of an LSTM leaves for its way back."""


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


def list_record_shapes(units: int) -> Shapes:
    """Returns (type, shape) of what `advance_lstm` records."""
    return [(tf.float32, [None, units])] * RECORDS


def advance_lstm(gates: tf.Tensor, carry: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, Tensors]:
    """Takes the elementwise part of an LSTM step, in the order of Keras' weights.

    With i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of the gates, c' = f c + i g and
    h = o tanh(c') (Hochreiter and Schmidhuber 1997, "Long Short-Term Memory", with the forget
    gate of Gers et al. 2000, "Learning to Forget").

    Args:
        gates: `float [B, 4 * U]`: input, forget, cell and output gate before their
            nonlinearities.
        carry: `float32 [B, U]`, c.

    Returns:
        h and c', each `float32 [B, U]`, and the record: i, f, g, o, tanh(c') and c.
    """
    enter, forget, cell, leave = tf.split(tf.cast(gates, tf.float32), 4, axis=-1)
    enter, forget, leave = tf.sigmoid(enter), tf.sigmoid(forget), tf.sigmoid(leave)
    cell = tf.tanh(cell)
    following = forget * carry + enter * cell
    squashed = tf.tanh(following)
    return leave * squashed, following, [enter, forget, cell, leave, squashed, carry]


def reverse_lstm(
    record: Tensors, by_hidden: tf.Tensor, by_carry: tf.Tensor
) -> tuple[Tensors, tf.Tensor]:
    """Takes the way back of `advance_lstm`.

    With s = tanh(c') and d for "the gradient by": dc' grows by dh o (1 - s^2); then the gates get
    di = dc' g i (1 - i), df = dc' c f (1 - f), dg = dc' i (1 - g^2) and do = dh s o (1 - o), and
    the carry before the step dc = dc' f.

    Args:
        record: What `advance_lstm` recorded.
        by_hidden: `float32 [B, U]`, dh.
        by_carry: `float32 [B, U]`, dc' without what comes through h.

    Returns:
        The gradients by each gate and by the carry before, each `float32 [B, U]`.
    """
    enter, forget, cell, leave, squashed, carry = record
    by_sigmoid, by_tanh = tf.raw_ops.SigmoidGrad, tf.raw_ops.TanhGrad
    by_carry += by_tanh(y=squashed, dy=by_hidden * leave)
    by_gates = [
        by_sigmoid(y=enter, dy=by_carry * cell),
        by_sigmoid(y=forget, dy=by_carry * carry),
        by_tanh(y=cell, dy=by_carry * enter),
        by_sigmoid(y=leave, dy=by_hidden * squashed),
    ]
    return by_gates, by_carry * forget


def join(parts: Sequence[tf.Tensor], dtype: tf.DType) -> tf.Tensor:
    """Puts columns side by side, in another type; narrow ones are moved in half the time."""
    return tf.concat([tf.cast(part, dtype) for part in parts], axis=-1)


def multiply(x: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor | None = None) -> tf.Tensor:
    """Multiplies rows by weights and adds a bias, all of one type; TensorFlow makes it one call.

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


def weights_gradient(inputs: tf.Tensor, by_products: tf.Tensor) -> tf.Tensor:
    """Returns the gradient of weights: inputs times gradients, summed over all rows.

    Args:
        inputs: `[..., X]`, what was multiplied by the weights.
        by_products: `[..., Y]`, the gradient by the products, of the same type.

    Returns:
        `[X, Y]`.
    """
    rows = tf.reshape(inputs, [-1, inputs.shape[-1]])
    gradients = tf.reshape(by_products, [-1, by_products.shape[-1]])
    return tf.matmul(rows, gradients, transpose_a=True)


def bias_gradient(by_products: tf.Tensor) -> tf.Tensor:
    """Sums rows by a product, which adds up in float32 whatever the type.

    Args:
        by_products: `[..., Y]`.

    Returns:
        `[Y]`.
    """
    rows = tf.reshape(by_products, [-1, by_products.shape[-1]])
    return tf.matmul(tf.ones([1, tf.shape(rows)[0]], rows.dtype), rows)[0]


def run_lstm(
    inputs: tf.Tensor, lengths: tf.Tensor, kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Runs one LSTM layer over padded sequences, from a state of zeros.

    Args:
        inputs: `float [S, B, X]`; its type is that of the matrix products.
        lengths: `int32 [B]`, at least 1; padding is on the right.
        kernel: `float32 [X, 4 * U]`.
        recurrent: `float32 [U, 4 * U]`.
        bias: `float32 [4 * U]`.

    Returns:
        The hidden states, of the inputs' type `[S, B, U]`, on padding whatever the loop gives
        there, and hidden state and carry after the last real step, each `float32 [B, U]`.
    """
    dtype = inputs.dtype
    joined = tf.concat([tf.cast(kernel, dtype), tf.cast(recurrent, dtype)], axis=0)
    hiddens, carries = _recur(inputs, joined, tf.cast(bias, dtype))
    # What comes after the last real step is computed and not used: no step has to ask.
    last = take_last(hiddens, lengths)
    return hiddens, tf.cast(last, tf.float32), take_last(carries, lengths)


def take_last(steps: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Picks what the last real step of each row gave.

    Args:
        steps: `[S, B, ...]`.
        lengths: `int32 [B]`, at least 1.

    Returns:
        `[B, ...]`.
    """
    return tf.gather_nd(steps, tf.stack([lengths - 1, tf.range(tf.size(lengths))], axis=1))


@tf.custom_gradient
def _recur(inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> Any:
    """Returns the hidden states `[S, B, U]` and the carries `float32 [S, B, U]` of all steps."""
    dtype, size, units = inputs.dtype, inputs.shape[-1], bias.shape[0] // 4
    zeros = tf.zeros([tf.shape(inputs)[1], units])

    def step(inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        joined = tf.concat([*inputs, state[0]], axis=-1)
        hidden, carry, record = advance_lstm(multiply(joined, kernel, bias), state[1])
        hidden = tf.cast(hidden, dtype)
        return [hidden, carry, *record], [hidden, carry]

    start = [tf.cast(zeros, dtype), zeros]
    shapes = [(dtype, [None, units]), (tf.float32, [None, units]), *list_record_shapes(units)]
    (hiddens, carries, *records), _ = run_steps(step, [inputs], start, shapes)
    hiddens, carries = hiddens.stack(), carries.stack()

    def gradient(by_hiddens: tf.Tensor, by_carries: tf.Tensor) -> tuple[tf.Tensor, ...]:
        by_gates = _recur_back(by_hiddens, by_carries, records, kernel[size:])
        before = tf.concat([start[0][tf.newaxis], hiddens[:-1]], axis=0)
        by_kernel = weights_gradient(tf.concat([inputs, before], axis=-1), by_gates)
        by_inputs = multiply(by_gates, tf.transpose(kernel[:size]))
        return by_inputs, by_kernel, bias_gradient(by_gates)

    return (hiddens, carries), gradient


def _recur_back(
    by_hiddens: tf.Tensor, by_carries: tf.Tensor, records: list[Any], recurrent: tf.Tensor
) -> tf.Tensor:
    """Returns the gradients by all steps' gates, of the weights' type, `[S, B, 4 * U]`."""
    # Laid out once: for a few rows a product that transposes on the way takes longer.
    transposed = tf.transpose(recurrent)

    def step(inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        by_hidden, by_carry = inputs[0] + state[0], inputs[1] + state[1]
        by_gates, by_carry = reverse_lstm(inputs[2:], by_hidden, by_carry)
        by_gates = join(by_gates, recurrent.dtype)
        by_hidden = tf.cast(tf.matmul(by_gates, transposed), tf.float32)
        return [by_gates], [by_hidden, by_carry]

    inputs = [tf.cast(by_hiddens, tf.float32), by_carries, *records]
    zeros = tf.zeros_like(by_carries[0])
    shapes = [(recurrent.dtype, [None, recurrent.shape[1]])]
    (by_gates,), _ = run_steps(step, inputs, [zeros, zeros], shapes, backwards=True)
    return by_gates.stack()
