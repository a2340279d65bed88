"""The network as replies need it: weights cast and laid out once, no gradients, few operations.

It computes what `Encoder` and `Decoder` compute, from the same weights. The decoder's state is one
tensor `float32 [R, X]`, so that a search can reorder it at once: the last attention if there is
one, then every layer's hidden state, then every layer's carry (a GRU's is its hidden state again),
then what the attention's weights are carried on with.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.network.constant_product import Product
from chatbot.network.encoder import side_by_side, turn
from chatbot.network.fast_attention import make_padding
from chatbot.network.fast_decoder import AttentionWeights
from chatbot.network.inference_layer import (
    EncoderLayer,
    lay_out_decoder_layer,
    lay_out_encoder_layer,
)
from chatbot.network.layer_norm import LayerNorm
from chatbot.network.pointer_generator import Pointed, PointerWeights, mix, point
from chatbot.network.scores import Attended, Score
from chatbot.network.self_attention import SelfAttention, attend_to_itself
from chatbot.network.seq2seq import Seq2Seq
from chatbot.network.steps import Shapes, Tensors, run_steps, take_last
from chatbot.text import SLOTS, UNK

GROUP = 64
"""Logits come in whole groups of this size: impossible tokens fill up the vocabulary."""


class SelfAttended(NamedTuple):
    """A layer of self-attention.

    Attributes:
        products: With its matrices, in the order of `SelfAttention.listed`.
        norm: Its layer norm.
    """

    products: list[Product]
    norm: LayerNorm


class InferenceNetwork:
    """Encodes queries and takes the decoder's steps.

    Attributes:
        vocab_size: Words in the vocabulary, V; a pointer-generator's has `slots` more.
        slots: How many of them are words of the query's own.
        filler: An impossible token, the first behind the vocabulary.
        width: Logits of a row, V': the vocabulary's and the impossible ones.
        is_exact: Whether all logits are in float32.
    """

    def __init__(self, model: Seq2Seq, precision: str = "float32") -> None:
        """Lays out the model's weights as they are now, for products of type `precision`.

        Everything but the matrix products is in float32.
        """
        self.slots = 0 if model.pointer is None else SLOTS
        self.vocab_size = self.filler = model.vocab_size + self.slots
        self.width = (self.vocab_size // GROUP + 1) * GROUP
        self._units = model.config.rnn_size
        self._dtype = tf.dtypes.as_dtype(precision)
        self._pointer: PointerWeights | None = None
        self._embedding = tf.cast(model.embedding, self._dtype)
        if model.pointer is not None:
            self._pointer = model.pointer.weights()
            unknown = tf.tile(self._embedding[UNK : UNK + 1], [self.slots, 1])
            self._embedding = tf.concat([self._embedding, unknown], axis=0)
        # Only plain logits can be computed again word by word.
        self.is_exact = self._dtype == tf.float32 or self._pointer is not None
        self._encoder = [
            [lay_out_encoder_layer(cell.weights(), self._dtype) for cell in cells]
            for cells in model.encoder.directions
        ]
        self._heads = model.config.attention_heads
        self._self_attention = [self._lay_out_self(x) for x in model.encoder.self_attention]
        weights = model.decoder.weights()
        self._residual = weights.residual
        self._decoder = [lay_out_decoder_layer(layer, self._dtype) for layer in weights.layers]
        self._score: Score | None = None
        if weights.attention is not None:
            self._lay_out_attention(weights.attention)
        self._lay_out_projection(model.projection.fold(), model.projection.bias)

    def _lay_out(self, kernel: tf.Tensor, bias: tf.Tensor | None = None) -> Product:
        return Product(kernel, bias, self._dtype)

    def _lay_out_self(self, layer: SelfAttention) -> SelfAttended:
        *kernels, gain, bias = map(tf.convert_to_tensor, layer.listed())
        return SelfAttended([self._lay_out(kernel) for kernel in kernels], LayerNorm(gain, bias))

    def _lay_out_attention(self, weights: AttentionWeights) -> None:
        self._score = weights.score
        self._output_product = self._lay_out(weights.output_kernel)
        self._squashes = weights.squashes
        matrices = weights.score.matrices()
        self._score_products = {name: self._lay_out(x) for name, x in matrices.items()}
        self._query_product = self._score_products.get("query_layer")
        self._shared = weights.score.shared()

    def _lay_out_projection(self, kernel: tf.Tensor, bias: tf.Variable) -> None:
        missing = self.width - kernel.shape[1]
        kernel = tf.pad(kernel, [[0, 0], [0, missing]])
        self._bias = tf.pad(bias, [[0, missing]], constant_values=-math.inf)
        dtype = tf.float32 if self.is_exact else self._dtype
        self._projection = Product(kernel, self._bias, dtype)
        # `project_exactly` gathers a word's weights, which must be a row and not a column.
        self._rows = None if self.is_exact else tf.transpose(kernel)

    def start(
        self, query_ids: tf.Tensor, query_lengths: tf.Tensor
    ) -> tuple[Attended | None, tf.Tensor]:
        """Encodes queries.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.

        Returns:
            What the decoder attends to, or None without attention, and its first state.
        """
        steps = tf.gather(self._embedding, tf.transpose(query_ids))
        hiddens, carries = [], []
        for index, layers in enumerate(self._encoder):
            outputs, hidden, carry = self._read(layers, steps, query_lengths)
            hiddens.append(hidden)
            carries.append(carry)
            outputs = tf.cast(outputs, self._dtype)
            steps = outputs + steps if self._residual and index else outputs
        if self._score is None:
            return None, tf.concat([*hiddens, *carries], axis=1)
        memory = tf.transpose(steps, [1, 0, 2])
        for products, norm in self._self_attention:
            memory = attend_to_itself(memory, query_lengths, products, self._heads, norm)
        attended = self._attend_to(self._score, memory, query_lengths)
        if self._pointer is not None:
            attended = attended._replace(query_ids=query_ids)
        state = [tf.zeros_like(hiddens[0]), *hiddens, *carries]
        if self._score.carries:
            state.append(self._score.start(attended.padding))
        return attended, tf.concat(state, axis=1)

    def _read(
        self, layers: list[EncoderLayer], steps: tf.Tensor, lengths: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Runs a layer over `[S, B, X]`, each direction by itself.

        Returns:
            All hidden states `[S, B, U]`, and the last one and the last carry, `[B, U]`.
        """
        found = []
        for backwards, layer in enumerate(layers):
            turned = turn(steps, lengths, time=0) if backwards else steps
            outputs, carries = self._encode(layer, turned)
            last = take_last(outputs, lengths), take_last(carries, lengths)
            found.append((turn(outputs, lengths, time=0) if backwards else outputs, *last))
        outputs, hidden, carry = (side_by_side(parts) for parts in zip(*found))
        return outputs, hidden, carry

    def _encode(self, layer: EncoderLayer, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs a direction over `[S, B, X]`; returns all hidden states and carries `[S, B, U]`."""
        units = layer.step.units
        shape = [*tf.unstack(tf.shape(steps)[:2]), 4 * units]
        gates = tf.reshape(layer.inputs(tf.reshape(steps, [-1, steps.shape[-1]])), shape)
        zeros = tf.zeros([shape[1], units])

        def step(inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
            following = layer.step.advance(inputs[0] + layer.hidden(state[0]), state[1])
            return list(following), list(following)

        shapes: Shapes = [(tf.float32, [None, units])] * 2
        (hiddens, carries), _ = run_steps(step, [gates], [zeros, zeros], shapes)
        return hiddens.stack(), carries.stack()

    def _attend_to(self, score: Score, memory: tf.Tensor, lengths: tf.Tensor) -> Attended:
        """Prepares the attention to a memory `float [B, S, U]`."""
        prepared = score.prepare(memory, self._multiply, self._shared)
        padding = make_padding(lengths, tf.shape(memory)[1])[:, tf.newaxis]
        return Attended(*prepared, padding)

    def _multiply(self, name: str, vectors: tf.Tensor) -> tf.Tensor:
        """Multiplies vectors `[..., U]` by a matrix of the score: `float32 [..., Y]`."""
        products = self._score_products[name](tf.reshape(vectors, [-1, self._units]))
        shape = tf.concat([tf.shape(vectors)[:-1], products.shape[1:]], axis=0)
        return tf.reshape(products, shape)

    def advance(
        self, last_ids: tf.Tensor, attended: Attended | None, state: tf.Tensor
    ) -> tuple[Any, tf.Tensor, tf.Tensor | None]:
        """Takes one step of the decoder.

        Args:
            last_ids: `int32 [R]`, each row's last token; R is a multiple of the queries.
            attended: From `start`; each query's rows follow one another.
            state: `float32 [R, X]`.

        Returns:
            What `project` takes, the next state, and the alignments `float32 [R, S]`, with heads
            `[R, H, S]`, or None without attention.
        """
        fed, hiddens, carries, carried = self._split(state)
        words = tf.gather(self._embedding, last_ids)
        inputs = [words, *(tf.cast(x, self._dtype) for x in fed)]
        for place, (product, step) in enumerate(self._decoder):
            joined = tf.concat([*inputs, tf.cast(hiddens[place], self._dtype)], axis=1)
            hiddens[place], carries[place] = step.advance(product(joined), carries[place])
            output = hiddens[place]
            if self._residual and place:
                output += tf.cast(inputs[0], tf.float32)
            inputs = [tf.cast(output, self._dtype)]
        if attended is None:
            return output, tf.concat([*hiddens, *carries], axis=1), None
        joined, alignments, carried = self._attend(attended, inputs[0], carried)
        output = self._output_product(joined)
        output = tf.tanh(output) if self._squashes else output
        state = tf.concat([output, *hiddens, *carries, *carried], axis=1)
        if self._pointer is None:
            return output, state, alignments
        rows = tf.shape(last_ids)[0] // tf.shape(attended.query_ids)[0]
        query_ids = tf.repeat(attended.query_ids, rows, axis=0)
        pointed = point(self._pointer, output, alignments, joined, words, query_ids)
        return pointed, state, alignments

    def _split(self, state: tf.Tensor) -> tuple[Tensors, Tensors, Tensors, Tensors]:
        """Splits a state into what is fed back, hidden states, carries and what is carried."""
        score, layers = self._score, len(self._decoder)
        count = 2 * layers + (score is not None)
        if score is not None and score.carries:
            *parts, carried = tf.split(state, [*[self._units] * count, -1], axis=1)
            rest = [carried]
        else:
            parts, rest = tf.split(state, count, axis=1), []
        fed = count - 2 * layers
        return parts[:fed], parts[fed : fed + layers], parts[fed + layers :], rest

    def project(self, outputs: Any) -> tf.Tensor:
        """Computes logits `float32 [R, V']`, -inf behind the vocabulary.

        Args:
            outputs: `float32 [R, U]` or, for a pointer-generator, `Pointed`.
        """
        if isinstance(outputs, Pointed):
            return mix(outputs, self._projection(outputs.outputs))
        return self._projection(outputs)

    def project_exactly(self, outputs: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        """Computes the logits `float32 [R, K]` of tokens `int32 [R, K]` again, all in float32."""
        products = tf.linalg.matvec(tf.gather(self._rows, tokens), outputs)
        return products + tf.gather(self._bias, tokens)

    def _attend(
        self, attended: Attended, query: tf.Tensor, carried: Tensors
    ) -> tuple[tf.Tensor, tf.Tensor, Tensors]:
        """Returns query and context `[R, 2 * U]`, alignments, and what is carried on.

        Args:
            attended: What is attended to.
            query: `[R, U]`, of the products' type.
            carried: `float32 [R, C]`, if the score carries anything.
        """
        memory, keys, padding, _ = attended
        queries, units = tf.shape(padding)[0], self._units
        beam = tf.reshape(query, [queries, -1, units])
        projected, before = None, None
        if self._query_product is not None:
            products = self._query_product(query)
            projected = tf.reshape(products, [queries, -1, products.shape[1]])
        if carried:
            before = tf.reshape(carried[0], [queries, tf.shape(beam)[1], -1])
        given = tf.cast(beam, keys.dtype), projected, attended, self._shared, before
        weights, after = self._score.compute(*given)  # type: ignore[union-attr]
        context = tf.matmul(tf.cast(weights, self._dtype), memory)
        heads = list(memory.shape[1:-2])  # empty without heads
        if heads:
            context, weights = (tf.transpose(x, [0, 2, 1, 3]) for x in (context, weights))
        carried = [] if after is None else [tf.reshape(after, tf.shape(carried[0]))]
        alignments = tf.reshape(weights, [-1, *heads, tf.shape(padding)[2]])
        joined = tf.concat([query, tf.reshape(context, [-1, units])], axis=1)
        return joined, alignments, carried
