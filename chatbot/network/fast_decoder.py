"""The attending decoder over given replies, as fast as the processor allows.

The same sums as `AttentionWrapper` under `BasicDecoder` with a `TrainingSampler`, from the same
weights, in one plain loop and another one back; what is large stands outside both (see
`recurrence`), and each matrix is cast once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.network.encoder import Encoded
from chatbot.network.fast_attention import Attention
from chatbot.network.steps import (
    RECORDS,
    Shapes,
    Tensors,
    advance_lstm,
    bias_gradient,
    join,
    list_record_shapes,
    multiply,
    reverse_lstm,
    run_steps,
    weights_gradient,
)


class AttentionWeights(NamedTuple):
    """The attention's variables, all float32.

    Attributes:
        memory_kernel: `[U, U]`, from the memory to the keys.
        output_kernel: `[2 * U, U]`, from query and context to the attention.
        query_kernel: `[U, U]` for the additive score, None for the multiplicative one.
        score_vector: `[U]` for the additive score, None for the multiplicative one.
    """

    memory_kernel: tf.Tensor
    output_kernel: tf.Tensor
    query_kernel: tf.Tensor | None
    score_vector: tf.Tensor | None


class DecoderWeights(NamedTuple):
    """The decoder's variables, all float32.

    Attributes:
        kernels: Each layer's `[X + U, 4 * U]`, for its inputs (in the first the word vectors and
            then the attention, if there is one) and then its hidden state.
        biases: Each layer's `[4 * U]`.
        attention: The attention's variables, or None without attention.
    """

    kernels: list[tf.Tensor]
    biases: list[tf.Tensor]
    attention: AttentionWeights | None


def force(
    weights: DecoderWeights, encoded: Encoded, words: tf.Tensor, masks: tf.Tensor | None
) -> tf.Tensor:
    """Runs the decoder over given replies.

    Args:
        weights: The variables.
        encoded: The encoded queries; the memory's type is that of the matrix products.
        words: `float [B, T, E]`, word vectors of the start token and of the replies without their
            last tokens, of the memory's type.
        masks: `float [B, T, L * U]`, dropout masks of all layers, or None.

    Returns:
        `float [B, T, U]`: the attention, or the top layer's output where there is none.
    """
    dtype = encoded.memory.dtype
    kernels = [tf.cast(kernel, dtype) for kernel in weights.kernels]
    biases = [tf.cast(bias, dtype) for bias in weights.biases]
    start = [tf.cast(x, kind) for layer in encoded.state for x, kind in zip(layer, _kinds(dtype))]
    attended = _list_attended(weights.attention, encoded.memory)
    loop = _Loop(encoded.lengths, None if masks is None else tf.transpose(masks, [1, 0, 2]))
    run = tf.custom_gradient(loop.run)
    outputs = run(tf.transpose(words, [1, 0, 2]), start, kernels, biases, attended)
    return tf.transpose(outputs, [1, 0, 2])


def _kinds(dtype: tf.DType) -> tuple[tf.DType, tf.DType]:
    """Types of a hidden state, which is only ever multiplied, and of a carry."""
    return dtype, tf.float32


def _list_attended(attention: AttentionWeights | None, memory: tf.Tensor) -> Tensors:
    """Returns memory, the output's kernel and what the score is made of; nothing for None."""
    if attention is None:
        return []
    keys = multiply(memory, tf.cast(attention.memory_kernel, memory.dtype))
    attended = [memory, tf.cast(attention.output_kernel, memory.dtype)]
    if attention.query_kernel is None:
        return [*attended, keys]
    query_kernel = tf.cast(attention.query_kernel, memory.dtype)
    score = [tf.cast(keys, tf.float32), tf.identity(attention.score_vector), query_kernel]
    return [*attended, *score]


class _Loop:
    """The decoding loop of one batch, forwards and backwards; one object serves one call.

    A step records each layer's product's input and LSTM record, then what the attention records; a
    step back leaves the gradient by each layer's gates, then what the attention leaves.
    """

    def __init__(self, lengths: tf.Tensor, masks: tf.Tensor | None) -> None:
        self._lengths = lengths
        self._masks = [] if masks is None else [masks]

    def run(
        self, words: tf.Tensor, start: Tensors, kernels: Tensors, biases: Tensors, attended: Tensors
    ) -> tuple[tf.Tensor, Any]:
        """Runs all steps.

        Args:
            words: `float [T, B, E]`.
            start: Every layer's hidden state and carry.
            kernels: Every layer's.
            biases: Every layer's.
            attended: See `_list_attended`.

        Returns:
            `float [T, B, U]`, and the function of its gradient.
        """
        self._dtype, self._units, self._layers = words.dtype, start[1].shape[1], len(kernels)
        self._kernels, self._biases = kernels, biases
        self._attention = Attention(attended, self._lengths) if attended else None
        state = [*start, tf.zeros_like(start[0])] if attended else start
        shapes = [(self._dtype, [None, self._units]), *self._list_record_shapes()]
        (outputs, *records), _ = run_steps(self._step, [words, *self._masks], state, shapes)

        def gradient(by_outputs: tf.Tensor) -> tuple[Any, ...]:
            return self._reverse(by_outputs, state, words.shape[-1], records)

        return outputs.stack(), gradient

    def _list_record_shapes(self) -> Shapes:
        shapes: Shapes = []
        for kernel in self._kernels:
            shapes += [(self._dtype, [None, kernel.shape[0]]), *list_record_shapes(self._units)]
        return shapes + (self._attention.record_shapes if self._attention else [])

    def _split_masks(self, masks: Tensors) -> list[Any]:
        """Returns every layer's mask of a step, or None."""
        count = self._layers
        return tf.split(masks[0], count, axis=-1) if masks else [None] * count

    def _step(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """Takes one step of the decoder."""
        below = [inputs[0], *state[2 * self._layers :]]
        following: Tensors = []
        records: Tensors = []
        for layer, mask in enumerate(self._split_masks(inputs[1:])):
            hidden, carry = state[2 * layer : 2 * layer + 2]
            joined = tf.concat([*below, hidden], axis=-1)
            gates = multiply(joined, self._kernels[layer], self._biases[layer])
            hidden, carry, record = advance_lstm(gates, carry)
            hidden = tf.cast(hidden, self._dtype)
            below = [hidden if mask is None else hidden * mask]
            following += [hidden, carry]
            records += [joined, *record]
        if self._attention is None:
            return [*below, *records], following
        attention, record = self._attention.compute(below[0])
        return [attention, *records, *record], [*following, attention]

    def _reverse(
        self, by_outputs: tf.Tensor, state: Tensors, size: int, records: list[Any]
    ) -> tuple[Any, ...]:
        """Runs all steps backwards; returns the gradients by what `run` takes."""
        # The word vectors' part needs no loop.
        kernels = [self._kernels[0][size:], *self._kernels[1:]]
        self._transposed = [tf.transpose(kernel) for kernel in kernels]
        shapes = [(self._dtype, [None, kernel.shape[1]]) for kernel in kernels]
        zeros = [tf.zeros_like(x) for x in state]
        if self._attention:
            shapes += self._attention.gradient_shapes
            zeros += self._attention.start()
        inputs = [by_outputs, *self._masks, *records]
        found, last = run_steps(self._step_back, inputs, zeros, shapes, backwards=True)
        by_gates = [by_gate.stack() for by_gate in found[: self._layers]]
        joined = [record.stack() for record in records[: self._records : 1 + RECORDS]]
        by_attended: Tensors = []
        if self._attention:
            rest = records[self._records :], found[self._layers :], last[len(state) :]
            by_attended = self._attention.finish(*rest)
        by_kernels = [weights_gradient(*pair) for pair in zip(joined, by_gates)]
        by_words = multiply(by_gates[0], tf.transpose(self._kernels[0][:size]))
        by_biases = [bias_gradient(by_gate) for by_gate in by_gates]
        return by_words, last[: 2 * self._layers], by_kernels, by_biases, by_attended

    @property
    def _records(self) -> int:
        """How many records come before the attention's."""
        return (1 + RECORDS) * self._layers

    def _step_back(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """Takes the way back of `_step`."""
        masks, records = inputs[1 : 1 + len(self._masks)], inputs[1 + len(self._masks) :]
        by_below, sums = inputs[:1], state[:0]
        left: Tensors = []
        if self._attention:
            by_attention = inputs[0] + state[2 * self._layers]
            sums = state[2 * self._layers + 1 :]
            by_query, left, sums = self._attention.reverse(
                records[self._records :], by_attention, sums
            )
            by_below = [by_query]
        before: Tensors = []
        for layer, mask in reversed(list(enumerate(self._split_masks(masks)))):
            by_hidden, by_carry = state[2 * layer : 2 * layer + 2]
            by_output = by_below[0] if mask is None else by_below[0] * mask
            by_hidden = tf.cast(by_output, tf.float32) + tf.cast(by_hidden, tf.float32)
            record = records[(1 + RECORDS) * layer + 1 : (1 + RECORDS) * (layer + 1)]
            by_gates, by_carry = reverse_lstm(record, by_hidden, by_carry)
            by_gates = join(by_gates, self._dtype)
            by_joined = tf.matmul(by_gates, self._transposed[layer])
            parts = by_joined.shape[-1] // self._units
            *by_below, by_hidden = tf.split(by_joined, parts, axis=-1)
            before = [by_hidden, by_carry, *before]
            left = [by_gates, *left]
        return left, [*before, *by_below, *sums]
