"""The attending decoder over given replies in our own loop, with its backward pass.

It computes what `AttentionWrapper` under `BasicDecoder` with a `TrainingSampler` computes, from the
same weights. Everything large is outside both loops (see `steps`), and each matrix is cast once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.network.encoder import Encoded
from chatbot.network.fast_attention import FastAttention, SoftmaxWeights, make_padding
from chatbot.network.fast_lstm import RECORDS, advance_lstm, list_record_shapes, reverse_lstm
from chatbot.network.scores import Attended, Score
from chatbot.network.steps import (
    Shapes,
    Tensors,
    bias_gradient,
    multiply,
    run_steps,
    weights_gradient,
)
from chatbot.network.taped_weights import TapedWeights


class AttentionWeights(NamedTuple):
    """The attention's variables.

    Attributes:
        score: What the weights come from.
        output_kernel: `float32 [2 * U, U]`, from query and context to the attention.
        squashes: Whether the attention is the tanh of that product.
    """

    score: Score
    output_kernel: tf.Tensor
    squashes: bool


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


def run_decoder(
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
    kinds = dtype, tf.float32  # a hidden state is only ever multiplied, a carry added to
    start = [tf.cast(x, kind) for layer in encoded.state for x, kind in zip(layer, kinds)]
    attended, make = _lay_out_attention(weights.attention, encoded)
    loop = _Loop(make, None if masks is None else tf.transpose(masks, [1, 0, 2]))
    run = tf.custom_gradient(loop.run)
    outputs = run(tf.transpose(words, [1, 0, 2]), start, kernels, biases, attended)
    return tf.transpose(outputs, [1, 0, 2])


MakeAttention = Callable[[Tensors], FastAttention | None]


def _lay_out_attention(
    weights: AttentionWeights | None, encoded: Encoded
) -> tuple[Tensors, MakeAttention]:
    """Returns what the attention takes gradients with respect to, and what makes it of that."""
    if weights is None:
        return [], lambda _: None
    score, squashes, dtype = weights.score, weights.squashes, encoded.memory.dtype
    matrices = {name: tf.cast(kernel, dtype) for name, kernel in score.matrices().items()}
    shared = score.shared()
    memory, keys = score.prepare(
        encoded.memory, lambda name, memory: multiply(memory, matrices[name]), shared
    )
    padding = make_padding(encoded.lengths, tf.shape(encoded.memory)[1])
    kernel = [tf.cast(weights.output_kernel, dtype)]
    query = [matrices["query_layer"]] if "query_layer" in matrices else []
    if score.by_hand:
        vector = [shared["vector"]] if score.by_hand == "additive" else []
        variables = [keys, *vector, *query]

        def make(given: Tensors) -> FastAttention:
            way = SoftmaxWeights(score.by_hand, given[2:], padding)
            return FastAttention(way, given[0], given[1], squashes)

    else:
        variables = [*query, keys, *shared.values()]

        def make(given: Tensors) -> FastAttention:
            count = 2 + len(query)
            attended = Attended(given[0], given[count], padding[:, tf.newaxis])
            way = TapedWeights(score, [*shared], given[2:count], attended, given[count + 1 :])
            return FastAttention(way, given[0], given[1], squashes)

    return [memory, *kernel, *variables], make


class _Loop:
    """The decoding loop of one batch, forwards and backwards; one object serves one call.

    A step forwards records each layer's product's input and LSTM record, then what the attention
    records. A step backwards leaves the gradients with respect to each layer's gates, then what the
    attention leaves.
    """

    def __init__(self, make_attention: MakeAttention, masks: tf.Tensor | None) -> None:
        self._make_attention = make_attention
        self._masks = [] if masks is None else [masks]

    def run(
        self, words: tf.Tensor, start: Tensors, kernels: Tensors, biases: Tensors, attended: Tensors
    ) -> tuple[tf.Tensor, Any]:
        """Runs all steps over `words` `float [T, B, E]`.

        `start` has every layer's hidden state and carry, `attended` is from `_lay_out_attention`.

        Returns:
            `float [T, B, U]`, and the function of its gradient.
        """
        self._dtype, self._units, self._layers = words.dtype, start[1].shape[1], len(kernels)
        self._kernels, self._biases = kernels, biases
        self._attention = self._make_attention(attended)
        state = start
        if self._attention:
            state = [*start, tf.zeros_like(start[0]), *self._attention.carried]
        shapes = [(self._dtype, [None, self._units]), *self._list_record_shapes()]
        (outputs, *records), _ = run_steps(self._step, [words, *self._masks], state, shapes)

        def gradient(d_outputs: tf.Tensor) -> tuple[Any, ...]:
            return self._reverse(d_outputs, state, words.shape[-1], records)

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
        layers = 2 * self._layers
        below, carried = [inputs[0], *state[layers : layers + 1]], state[layers + 1 :]
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
        attention, carried, record = self._attention.forward(below[0], carried)
        return [attention, *records, *record], [*following, attention, *carried]

    def _reverse(
        self, d_outputs: tf.Tensor, state: Tensors, size: int, records: list[Any]
    ) -> tuple[Any, ...]:
        """Runs all steps backwards; returns the gradients with respect to what `run` takes."""
        # The word vectors' part needs no loop.
        kernels = [self._kernels[0][size:], *self._kernels[1:]]
        self._transposed = [tf.transpose(kernel) for kernel in kernels]
        shapes = [(self._dtype, [None, kernel.shape[1]]) for kernel in kernels]
        zeros = [tf.zeros_like(x) for x in state]
        if self._attention:
            shapes += self._attention.gradient_shapes
            zeros += self._attention.start()
        inputs = [d_outputs, *self._masks, *records]
        found, last = run_steps(self._step_backwards, inputs, zeros, shapes, backwards=True)
        d_gates = [array.stack() for array in found[: self._layers]]
        joined = [record.stack() for record in records[: self._records : 1 + RECORDS]]
        d_attended: Tensors = []
        if self._attention:
            rest = records[self._records :], found[self._layers :], last[len(state) :]
            d_attended = self._attention.finish(*rest)
        d_kernels = [weights_gradient(*pair) for pair in zip(joined, d_gates)]
        d_words = multiply(d_gates[0], tf.transpose(self._kernels[0][:size]))
        d_biases = [bias_gradient(x) for x in d_gates]
        return d_words, last[: 2 * self._layers], d_kernels, d_biases, d_attended

    @property
    def _records(self) -> int:
        """How many records come before the attention's."""
        return (1 + RECORDS) * self._layers

    def _step_backwards(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        masks, records = inputs[1 : 1 + len(self._masks)], inputs[1 + len(self._masks) :]
        d_below = inputs[:1]
        left: Tensors = []
        rest: Tensors = []
        if self._attention:
            d_fed, *rest = state[2 * self._layers :]
            count = len(self._attention.carried)
            d_query, d_carried, left, sums = self._attention.backward(
                records[self._records :], inputs[0] + d_fed, rest[:count], rest[count:]
            )
            d_below, rest = [d_query], [*d_carried, *sums]
        before: Tensors = []
        for layer, mask in reversed(list(enumerate(self._split_masks(masks)))):
            d_hidden, d_carry = state[2 * layer : 2 * layer + 2]
            d_output = d_below[0] if mask is None else d_below[0] * mask
            d_hidden = tf.cast(d_output, tf.float32) + tf.cast(d_hidden, tf.float32)
            record = records[(1 + RECORDS) * layer + 1 : (1 + RECORDS) * (layer + 1)]
            d_gates, d_carry = reverse_lstm(record, d_hidden, d_carry, self._dtype)
            d_joined = tf.matmul(d_gates, self._transposed[layer])
            parts = d_joined.shape[-1] // self._units
            *d_below, d_hidden = tf.split(d_joined, parts, axis=-1)
            before = [d_hidden, d_carry, *before]
            left = [d_gates, *left]
        return left, [*before, *d_below, *rest]
