"""The attending decoder over given replies, as fast as the processor allows.

The same sums as `AttentionWrapper` under `BasicDecoder` with a `TrainingSampler`, from the same
weights, in one plain loop: the word vectors' part of the first layer's product stands before the
loop, every matrix' gradient behind it (see `recurrence`), and each matrix is cast once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.encoder import Encoded
from chatbot.recurrence import (
    Matrix,
    Tensors,
    advance_lstm,
    multiply_rows,
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
        word_kernel: `[E, 4 * U]`, the first layer's rows for the word vectors.
        kernels: Each layer's rows for its other inputs and then its hidden state.
        biases: Each layer's `[4 * U]`.
        attention: The attention's variables, or None without attention.
    """

    word_kernel: tf.Tensor
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
            last tokens.
        masks: `float [B, T, L * U]`, dropout masks of all layers, or None.

    Returns:
        `float [B, T, U]`: the attention, or the top layer's output where there is none.
    """
    loop = _Loop(weights, encoded, None if masks is None else tf.transpose(masks, [1, 0, 2]))
    gates = _gates_before_loop(weights, tf.transpose(words, [1, 0, 2]))
    start = [tf.cast(x, tf.float32) for layer in encoded.state for x in layer]
    outputs = loop.run(gates, start)
    return tf.cast(tf.transpose(outputs, [1, 0, 2]), words.dtype)


def _gates_before_loop(weights: DecoderWeights, words: tf.Tensor) -> Tensors:
    """Computes what each layer's gates do not owe to the loop, `float32 [T, B, 4 * U]` each."""
    steps, rows = tf.unstack(tf.shape(words)[:2])
    shape = [steps, rows, weights.biases[0].shape[0]]
    flat = tf.reshape(words, [-1, words.shape[-1]])
    first = multiply_rows(flat, tf.cast(weights.word_kernel, words.dtype))
    first = tf.reshape(first, shape) + weights.biases[0]
    return [first] + [tf.broadcast_to(bias, shape) for bias in weights.biases[1:]]


class _Loop:
    """The decoding loop of one batch.

    Its products are numbered: one a layer, then the attention's output and, for the additive
    score, the query. Each has its matrix, and in every step its slot and its recorded input.
    """

    def __init__(self, weights: DecoderWeights, encoded: Encoded, masks: tf.Tensor | None) -> None:
        memory, attention = encoded.memory, weights.attention
        self._dtype = memory.dtype
        self._units = weights.biases[0].shape[0] // 4
        self._layers = len(weights.kernels)
        self._attends = attention is not None
        self._additive = attention is not None and attention.query_kernel is not None
        self._masks = [] if masks is None else [masks]
        self._matrices = [tf.cast(kernel, self._dtype) for kernel in weights.kernels]
        self._attended: Tensors = []
        if attention is not None:
            keys = _project(memory, tf.cast(attention.memory_kernel, self._dtype))
            self._attended = [memory, keys]
            self._matrices.append(tf.cast(attention.output_kernel, self._dtype))
            real = tf.sequence_mask(encoded.lengths, tf.shape(memory)[1])
            self._padding = tf.where(real, 0.0, tf.float32.min)
        if attention is not None and self._additive:
            self._attended[1:] = [tf.cast(keys, tf.float32), attention.score_vector]
            self._matrices.append(tf.cast(attention.query_kernel, self._dtype))

    def run(self, gates: Tensors, start: Tensors) -> tf.Tensor:
        """Runs all steps; returns `float32 [T, B, U]`."""
        return tf.custom_gradient(self._run)(gates, start, self._attended, self._matrices)

    def _run(
        self, gates: Tensors, start: Tensors, attended: Tensors, matrices: Tensors
    ) -> tuple[tf.Tensor, Any]:
        self._attended, self._products = attended, [Matrix(matrix) for matrix in matrices]
        slots = [*gates, *self._more_slots(gates[0], attended)]
        watched = [*slots, *start, *(attended[1:] if self._additive else [])]
        state = [*start, tf.zeros_like(start[0])] if self._attends else start
        with tf.GradientTape() as tape:
            tape.watch(watched)
            results, _ = run_steps(self._step, slots + self._masks, state, self._result_shapes())
            outputs = results[0]

        def gradient(upstream: tf.Tensor) -> tuple[Any, ...]:
            found = tape.gradient(outputs, watched, upstream)
            by_slot, found = found[: len(slots)], found[len(slots) :]
            by_start, by_score = found[: len(start)], found[len(start) :]
            products = zip(results[1:], by_slot, matrices)
            by_matrix = [weights_gradient(record, slot) for record, slot, _ in products]
            by_attended = self._attended_gradients(results, by_slot, by_score)
            return by_slot[: len(gates)], by_start, by_attended, by_matrix

        return outputs, gradient

    def _more_slots(self, like: tf.Tensor, attended: Tensors) -> Tensors:
        """Makes the slots behind the gates': attention, query, context, score."""
        if not self._attends:
            return []
        steps, rows = tf.unstack(tf.shape(like)[:2])
        wide = tf.zeros([steps, rows, self._units])
        if self._additive:
            return [wide, tf.identity(wide), tf.identity(wide)]
        score = tf.zeros([steps, rows, tf.shape(attended[0])[1]])
        return [wide, tf.identity(wide), score]

    def _result_shapes(self) -> list[tuple[tf.DType, list[int | None]]]:
        """Types and shapes of what a step returns: output, a record a product, alignments."""
        output = (tf.float32, [None, self._units])
        records = [(self._dtype, [None, matrix.shape[0]]) for matrix in self._matrices]
        alignments = [(self._dtype, [None, None])] if self._attends else []
        return [output, *records, *alignments]

    def _step(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """Takes one step of the decoder."""
        masks = tf.split(inputs[-1], self._layers, axis=-1) if self._masks else []
        following: Tensors = []
        records: Tensors = []
        outputs = state[-1] if self._attends else None
        for layer in range(self._layers):
            hidden, carry = state[2 * layer : 2 * layer + 2]
            joined = self._join(hidden) if outputs is None else self._join(outputs, hidden)
            gates = inputs[layer] + self._products[layer].multiply(joined)
            hidden, carry = advance_lstm(gates, carry)
            outputs = hidden * tf.cast(masks[layer], tf.float32) if masks else hidden
            following += [hidden, carry]
            records.append(joined)
        if not self._attends:
            return [outputs, *records], following
        attention, more = self._attend(outputs, inputs[self._layers :])
        return [attention, *records, *more], [*following, attention]

    def _join(self, *parts: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.concat(parts, axis=-1), self._dtype)

    def _attend(self, query: tf.Tensor, slots: Tensors) -> tuple[tf.Tensor, Tensors]:
        """Computes the attention `float32 [B, U]`, the records of its products, alignments."""
        typed = tf.cast(query, self._dtype)
        if self._additive:
            shift = self._products[-1].multiply(typed) + slots[1]
            inner = tf.tanh(self._attended[1] + shift[:, tf.newaxis])
            scores = tf.linalg.matvec(inner, self._attended[2])
        else:
            keys = tf.stop_gradient(self._attended[1])
            scores = tf.matmul(typed[:, tf.newaxis], keys, transpose_b=True)[:, 0]
            scores = tf.cast(scores, tf.float32) + slots[2]
        alignments = tf.cast(tf.nn.softmax(scores + self._padding), self._dtype)
        memory = tf.stop_gradient(self._attended[0])
        context = tf.matmul(alignments[:, tf.newaxis], memory)[:, 0]
        context = tf.cast(context, tf.float32) + slots[2 if self._additive else 1]
        joined = self._join(query, context)
        attention = self._products[self._layers].multiply(joined) + slots[0]
        return attention, [joined, *([typed] if self._additive else []), alignments]

    def _attended_gradients(self, results: Tensors, by_slot: Tensors, by_score: Tensors) -> Tensors:
        """Returns the gradients of the memory, the keys and, if there is one, the score vector."""
        if not self._attends:
            return []
        context = tf.cast(by_slot[self._layers + (2 if self._additive else 1)], self._dtype)
        by_memory = tf.einsum("tbs,tbu->bsu", results[-1], context)
        if self._additive:
            return [by_memory, *by_score]
        queries = results[1 + self._layers][..., : self._units]
        by_keys = tf.einsum("tbs,tbu->bsu", tf.cast(by_slot[-1], self._dtype), queries)
        return [by_memory, by_keys]


def _project(memory: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Multiplies `[B, S, U]` by `[U, U]` as one matrix product."""
    flat = tf.matmul(tf.reshape(memory, [-1, kernel.shape[0]]), kernel)
    return tf.reshape(flat, tf.shape(memory))
