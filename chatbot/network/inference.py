"""The network as replies need it: weights cast and laid out once, no gradients, few operations.

It computes what `Encoder` and `Decoder` compute, from the same weights. The decoder's state is one
tensor `float32 [R, X]`, so that a search can reorder it at once: the last attention if there is
one, then every layer's hidden state, then every layer's carry, then what the attention's weights
are carried on with. The gates are in the order i, f, o, g, the sigmoids side by side.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.network.constant_product import Product
from chatbot.network.fast_attention import make_padding
from chatbot.network.fast_decoder import AttentionWeights
from chatbot.network.scores import Attended, Score
from chatbot.network.seq2seq import Seq2Seq
from chatbot.network.steps import Shapes, Tensors, run_steps, take_last

GROUP = 64
"""Logits come in whole groups of this size: impossible tokens fill up the vocabulary."""


class Layer(NamedTuple):
    """An encoder layer's products, which add up to its gates.

    Attributes:
        inputs: Of the layer's inputs, bias included.
        hidden: Of its hidden state.
    """

    inputs: Product
    hidden: Product


class InferenceNetwork:
    """Encodes queries and takes the decoder's steps.

    Attributes:
        vocab_size: Words in the vocabulary, V.
        filler: An impossible token, the first behind the vocabulary.
        width: Logits of a row, V': the vocabulary's and the impossible ones.
        is_exact: Whether all products are in float32.
    """

    def __init__(self, model: Seq2Seq, precision: str = "float32") -> None:
        """Lays out the model's weights as they are now, for products of type `precision`.

        Everything but the matrix products is in float32.
        """
        self.vocab_size = self.filler = model.vocab_size
        self.width = (model.vocab_size // GROUP + 1) * GROUP
        self._units = model.config.rnn_size
        self._dtype = tf.dtypes.as_dtype(precision)
        self.is_exact = self._dtype == tf.float32
        self._embedding = tf.cast(model.embedding, self._dtype)
        self._encoder = [self._lay_out_encoder(layer) for layer in model.encoder.layers]
        weights = model.decoder.weights()
        self._decoder = [
            self._lay_out(_order_gates(kernel), _order_gates(bias))
            for kernel, bias in zip(weights.kernels, weights.biases)
        ]
        self._score: Score | None = None
        if weights.attention is not None:
            self._lay_out_attention(weights.attention)
        self._lay_out_projection(model.projection.fold(), model.projection.bias)

    def _lay_out(self, kernel: tf.Tensor, bias: tf.Tensor | None = None) -> Product:
        return Product(kernel, bias, self._dtype)

    def _lay_out_encoder(self, cell: Any) -> Layer:
        inputs = self._lay_out(_order_gates(cell.kernel), _order_gates(cell.bias))
        return Layer(inputs, self._lay_out(_order_gates(cell.recurrent_kernel)))

    def _lay_out_attention(self, weights: AttentionWeights) -> None:
        self._score = weights.score
        self._output_product = self._lay_out(weights.output_kernel)
        self._squashes = weights.squashes
        matrices = weights.score.matrices()
        self._score_products = {name: self._lay_out(x) for name, x in matrices.items()}
        self._query_product = self._score_products.get("query_layer")
        self._shared = weights.score.shared()

    def _lay_out_projection(self, kernel: tf.Tensor, bias: tf.Variable) -> None:
        missing = self.width - self.vocab_size
        kernel = tf.pad(kernel, [[0, 0], [0, missing]])
        self._bias = tf.pad(bias, [[0, missing]], constant_values=-math.inf)
        self._projection = self._lay_out(kernel, self._bias)
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
        for layer in self._encoder:
            outputs, layer_carries = self._encode(layer, steps)
            hiddens.append(take_last(outputs, query_lengths))
            carries.append(take_last(layer_carries, query_lengths))
            steps = tf.cast(outputs, self._dtype)
        if self._score is None:
            return None, tf.concat([*hiddens, *carries], axis=1)
        attended = self._attend_to(self._score, tf.transpose(steps, [1, 0, 2]), query_lengths)
        state = [tf.zeros_like(hiddens[0]), *hiddens, *carries]
        if self._score.carries:
            state.append(self._score.start(attended.padding))
        return attended, tf.concat(state, axis=1)

    def _encode(self, layer: Layer, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs one layer over `[S, B, X]`; returns all hidden states and carries `[S, B, U]`."""
        shape = [*tf.unstack(tf.shape(steps)[:2]), 4 * self._units]
        gates = tf.reshape(layer.inputs(tf.reshape(steps, [-1, steps.shape[-1]])), shape)
        zeros = tf.zeros([shape[1], self._units])

        def step(inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
            following = advance_lstm(inputs[0] + layer.hidden(state[0]), state[1])
            return list(following), list(following)

        shapes: Shapes = [(tf.float32, [None, self._units])] * 2
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
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
        """Takes one step of the decoder.

        Args:
            last_ids: `int32 [R]`, each row's last token; R is a multiple of the queries.
            attended: From `start`; each query's rows follow one another.
            state: `float32 [R, X]`.

        Returns:
            What is projected to the vocabulary, `float32 [R, U]`, the next state, and the
            alignments `float32 [R, S]`, with heads `[R, H, S]`, or None without attention.
        """
        fed, hiddens, carries, carried = self._split(state)
        inputs = [tf.gather(self._embedding, last_ids), *(tf.cast(x, self._dtype) for x in fed)]
        for place, layer in enumerate(self._decoder):
            gates = layer(tf.concat([*inputs, tf.cast(hiddens[place], self._dtype)], axis=1))
            hiddens[place], carries[place] = advance_lstm(gates, carries[place])
            inputs = [tf.cast(hiddens[place], self._dtype)]
        output, alignments = hiddens[-1], None
        if attended is not None:
            output, alignments, carried = self._attend(attended, inputs[0], carried)
        fed = [] if attended is None else [output]
        return output, tf.concat([*fed, *hiddens, *carries, *carried], axis=1), alignments

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

    def project(self, outputs: tf.Tensor) -> tf.Tensor:
        """Computes logits `float32 [R, V']` of `float32 [R, U]`, -inf behind the vocabulary."""
        return self._projection(outputs)

    def project_exactly(self, outputs: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        """Computes the logits `float32 [R, K]` of tokens `int32 [R, K]` again, all in float32."""
        products = tf.linalg.matvec(tf.gather(self._rows, tokens), outputs)
        return products + tf.gather(self._bias, tokens)

    def _attend(
        self, attended: Attended, query: tf.Tensor, carried: Tensors
    ) -> tuple[tf.Tensor, tf.Tensor, Tensors]:
        """Returns the attention `float32 [R, U]`, alignments, and what is carried on.

        Args:
            attended: What is attended to.
            query: `[R, U]`, of the products' type.
            carried: `float32 [R, C]`, if the score carries anything.
        """
        memory, keys, padding = attended
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
        joined = tf.concat([query, tf.reshape(context, [-1, units])], axis=1)
        output = self._output_product(joined)
        carried = [] if after is None else [tf.reshape(after, tf.shape(carried[0]))]
        alignments = tf.reshape(weights, [-1, *heads, tf.shape(padding)[2]])
        return tf.tanh(output) if self._squashes else output, alignments, carried


def _order_gates(weights: Any) -> tf.Tensor:
    """Brings the columns of weights from Keras' order i, f, g, o into ours."""
    i, f, g, o = tf.split(tf.convert_to_tensor(weights), 4, axis=-1)
    return tf.concat([i, f, o, g], axis=-1)


def advance_lstm(gates: tf.Tensor, carry: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes the elementwise part of an LSTM step; see `fast_lstm.advance_lstm`."""
    units = carry.shape[-1]
    sigmoids, g = tf.split(gates, [3 * units, units], axis=1)
    i, f, o = tf.split(tf.sigmoid(sigmoids), 3, axis=1)
    carry = f * carry + i * tf.tanh(g)
    return o * tf.tanh(carry), carry
