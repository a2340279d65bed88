"""The attending decoder over given replies in our own loop, with its backward pass.

It computes what `AttentionWrapper` under `BasicDecoder` with a `TrainingSampler` computes, from the
same weights. Everything large is outside both loops (see `steps`), and each matrix is cast once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.network.encoder import Encoded
from chatbot.network.fast_attention import (
    JOINED_RECORD,
    WEIGHTS_RECORD,
    FastAttention,
    SoftmaxWeights,
    make_padding,
)
from chatbot.network.fast_cell import FastCell, list_vectors
from chatbot.network.scores import Attended, Score
from chatbot.network.steps import Shapes, Tensors, multiply, run_steps, weights_gradient
from chatbot.network.taped_weights import TapedWeights
from chatbot.network.variables import LayerWeights


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
        layers: Each layer's; the first one's inputs are the word vectors and then the attention, if
            there is one.
        residual: Whether a layer's input is added to its output, from the second layer on.
        attention: The attention's variables, or None without attention.
    """

    layers: list[LayerWeights]
    residual: bool
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
    return _run(weights, encoded, words, masks)[0]


def run_attending(
    weights: DecoderWeights,
    encoded: Encoded,
    words: tf.Tensor,
    masks: tf.Tensor | None,
    joined: bool = False,
) -> Tensors:
    """Runs a decoder with attention as `run_decoder` does; gradients go through all results.

    Returns:
        The attention `float [B, T, U]`, its weights `float32 [B, T, (H), S]` and, if `joined` says
        so, its query and context side by side, `float [B, T, 2 * U]`.
    """
    shown = (WEIGHTS_RECORD, JOINED_RECORD) if joined else (WEIGHTS_RECORD,)
    return _run(weights, encoded, words, masks, shown)


def _run(
    weights: DecoderWeights,
    encoded: Encoded,
    words: tf.Tensor,
    masks: tf.Tensor | None,
    shown: Sequence[int] = (),
) -> Tensors:
    """Returns the outputs and the attention's records that are `shown`, all `[B, T, ...]`."""
    dtype = encoded.memory.dtype
    kernels = [tf.cast(join_kernels(layer), dtype) for layer in weights.layers]
    vectors = [list_vectors(layer, dtype) for layer in weights.layers]
    kinds = dtype, tf.float32  # a hidden state is only ever multiplied, a carry added to
    start = [tf.cast(x, kind) for layer in encoded.state for x, kind in zip(layer, kinds)]
    attended, make = _lay_out_attention(weights.attention, encoded)
    masks = None if masks is None else tf.transpose(masks, [1, 0, 2])
    loop = _Loop(weights.layers[0].cell, weights.residual, make, masks, shown)
    run = tf.custom_gradient(loop.run)
    results = run(tf.transpose(words, [1, 0, 2]), start, kernels, vectors, attended)
    return [tf.transpose(x, [1, 0, *range(2, x.shape.rank)]) for x in results]


def join_kernels(layer: LayerWeights) -> tf.Tensor:
    """Returns what multiplies a layer's inputs and hidden state, `float32 [X + U, 4 * U]`."""
    return tf.concat([layer.kernel, layer.recurrent_kernel], axis=0)


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

    A step forwards records each layer's product's input and its cell's record, then what the
    attention records. A step backwards leaves what each layer's cell leaves, then what the
    attention leaves.
    """

    def __init__(
        self,
        cell: str,
        residual: bool,
        make_attention: MakeAttention,
        masks: tf.Tensor | None,
        shown: Sequence[int],
    ) -> None:
        self._cell, self._residual, self._shown = cell, residual, shown
        self._make_attention = make_attention
        self._masks = [] if masks is None else [masks]

    def run(
        self,
        words: tf.Tensor,
        start: Tensors,
        kernels: Tensors,
        vectors: list[Tensors],
        attended: Tensors,
    ) -> tuple[Tensors, Any]:
        """Runs all steps over `words` `float [T, B, E]`.

        `start` has every layer's hidden state and carry, `attended` is from `_lay_out_attention`.

        Returns:
            `float [T, B, U]` and the records that are shown, `[T, B, ...]`; and the function of
            their gradient.
        """
        self._dtype, self._units, self._layers = words.dtype, start[1].shape[1], len(kernels)
        self._kernels = kernels
        self._cells = [FastCell(self._cell, *given) for given in zip(kernels, vectors)]
        self._attention = self._make_attention(attended)
        state = start
        if self._attention:
            state = [*start, tf.zeros_like(start[0]), *self._attention.carried]
        shapes = [(self._dtype, [None, self._units]), *self._list_record_shapes()]
        (outputs, *records), _ = run_steps(self._step, [words, *self._masks], state, shapes)

        results = [outputs.stack()]
        results += [records[sum(self._counts) + place].stack() for place in self._shown]

        def gradient(*d_results: tf.Tensor) -> tuple[Any, ...]:
            return self._reverse(d_results, state, words.shape[-1], records)

        return results, gradient

    def _list_record_shapes(self) -> Shapes:
        shapes: Shapes = []
        for kernel, cell in zip(self._kernels, self._cells):
            shapes += [(self._dtype, [None, kernel.shape[0]]), *cell.record_shapes]
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
            hidden, carry, record = self._cells[layer].forward(joined, carry)
            output = hidden if mask is None else hidden * mask
            below = [output + below[0] if self._residual and layer else output]
            following += [hidden, carry]
            records += [joined, *record]
        if self._attention is None:
            return [*below, *records], following
        attention, carried, record = self._attention.forward(below[0], carried)
        return [attention, *records, *record], [*following, attention, *carried]

    def _reverse(
        self, d_results: Sequence[tf.Tensor], state: Tensors, size: int, records: list[Any]
    ) -> tuple[Any, ...]:
        """Runs all steps backwards; returns the gradients with respect to what `run` takes."""
        # The word vectors' part needs no loop.
        kernels = [self._kernels[0][size:], *self._kernels[1:]]
        self._transposed = [tf.transpose(kernel) for kernel in kernels]
        shapes = [shape for cell in self._cells for shape in cell.gradient_shapes]
        zeros = [tf.zeros_like(x) for x in state]
        if self._attention:
            shapes += self._attention.gradient_shapes
            zeros += self._attention.start()
        inputs = [*d_results, *self._masks, *records]
        found, last = run_steps(self._step_backwards, inputs, zeros, shapes, backwards=True)
        left, found = self._split(found, [len(cell.gradient_shapes) for cell in self._cells])
        left = [[array.stack() for array in arrays] for arrays in left]
        kept, records = self._split(records, self._counts)
        d_attended: Tensors = []
        if self._attention:
            d_attended = self._attention.finish(records, found, last[len(state) :])
        d_kernels = [weights_gradient(x[0].stack(), d[0]) for x, d in zip(kept, left)]
        d_words = multiply(left[0][0], tf.transpose(self._kernels[0][:size]))
        finishing = zip(self._cells, kept, left)
        d_vectors = [cell.finish(arrays[1:], own) for cell, arrays, own in finishing]
        return d_words, last[: 2 * self._layers], d_kernels, d_vectors, d_attended

    @property
    def _counts(self) -> list[int]:
        """How many records each layer has."""
        return [1 + len(cell.record_shapes) for cell in self._cells]

    def _split(self, values: list[Any], counts: list[int]) -> tuple[list[list[Any]], list[Any]]:
        """Cuts off a part for each layer; returns the parts and the rest, the attention's."""
        ends = list(itertools.accumulate(counts))
        parts = [values[end - count : end] for count, end in zip(counts, ends)]
        return parts, values[ends[-1] :]

    def _step_backwards(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        count = 1 + len(self._shown)
        d_results, inputs = inputs[:count], inputs[count:]
        masks, records = inputs[: len(self._masks)], inputs[len(self._masks) :]
        kept, records = self._split(records, self._counts)
        d_below = d_results[:1]
        left: Tensors = []
        rest: Tensors = []
        if self._attention:
            d_fed, *rest = state[2 * self._layers :]
            count = len(self._attention.carried)
            d_query, d_carried, left, sums = self._attention.backward(
                records, d_results[0] + d_fed, rest[:count], rest[count:], d_results[1:]
            )
            d_below, rest = [d_query], [*d_carried, *sums]
        before: Tensors = []
        for layer, mask in reversed(list(enumerate(self._split_masks(masks)))):
            d_hidden, d_carry = state[2 * layer : 2 * layer + 2]
            d_output = d_below[0] if mask is None else d_below[0] * mask
            d_hidden = tf.cast(d_output, tf.float32) + tf.cast(d_hidden, tf.float32)
            own, d_carry = self._cells[layer].backward(kept[layer][1:], d_hidden, d_carry)
            d_joined = tf.matmul(own[0], self._transposed[layer])
            parts = d_joined.shape[-1] // self._units
            d_above = d_below
            *d_below, d_hidden = tf.split(d_joined, parts, axis=-1)
            if self._residual and layer:
                d_below = [d_below[0] + d_above[0]]
            before = [d_hidden, d_carry, *before]
            left = [*own, *left]
        return left, [*before, *d_below, *rest]
