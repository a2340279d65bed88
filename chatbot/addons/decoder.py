"""The tutorial's decoder over the network's variables: cells under `AttentionWrapper`.

Make it inside a traced function: its layers hold the variables cast to the type of the matrix
products, and the attention holds its memory.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_addons as tfa

from chatbot.network import scores
from chatbot.network.decoder import Decoder
from chatbot.network.encoder import Encoded, State
from chatbot.network.variables import LayerWeights


class LSTMCellStack(tf.keras.layers.AbstractRNNCell):
    """LSTM cells, one step at a time, each output multiplied by a mask if masks are given.

    The masks are extra columns of the input, drawn outside the decoding loop: one draw serves all
    its steps, and the loop itself has no randomness in it.
    """

    def __init__(self, layers: list[LayerWeights], dtype: tf.DType, residual: bool = False) -> None:
        super().__init__(dtype=dtype.name)
        self._residual = residual
        self._units = layers[0].recurrent_kernel.shape[0]
        self._input_size = layers[0].kernel.shape[0]  # X, without masks
        self.cells = [make_cell(layer, dtype) for layer in layers]

    @property
    def state_size(self) -> tuple[list[int], ...]:
        """The sizes of `[h, c]` of every layer."""
        return tuple([self._units, self._units] for _ in self.cells)

    @property
    def output_size(self) -> int:
        """The width of the top layer's output."""
        return int(self._units)

    def call(
        self, inputs: tf.Tensor, states: State, training: Any = None
    ) -> tuple[tf.Tensor, State]:
        """Takes one step.

        Args:
            inputs: `float [B, X]`, or `float [B, X + L * U]` with every layer's mask behind.
            states: The state before the step.
            training: Accepted because the library passes it; the masks decide.

        Returns:
            The top layer's output `float [B, U]` and the state after the step.
        """
        del training
        outputs, masks = inputs[:, : self._input_size], []
        if inputs.shape[-1] > self._input_size:
            masks = tf.split(inputs[:, self._input_size :], len(self.cells), axis=-1)
        next_states = []
        for index, (cell, state) in enumerate(zip(self.cells, states)):
            below = outputs
            outputs, next_state = cell(outputs, list(state))
            next_states.append(list(next_state))
            if masks:
                outputs = outputs * masks[index]
            if self._residual and index:
                outputs = outputs + below
        return outputs, tuple(next_states)


class AddonsDecoder:
    """A decoder as the library steps through it.

    Attributes:
        cell: The stack of cells, under `AttentionWrapper` where there is attention.
    """

    def __init__(
        self, decoder: Decoder, dtype: tf.DType, layers: list[LayerWeights] | None = None
    ) -> None:
        """Lays out the variables in a type, that of the matrix products.

        Args:
            decoder: The variables.
            dtype: The type.
            layers: As for `Decoder.weights`.
        """
        self._mechanism: Any = None
        weights = decoder.weights(layers)
        self.cell: Any = LSTMCellStack(weights.layers, dtype, weights.residual)
        attention, mixing = weights.attention, decoder.attention_layer
        if attention is None or mixing is None:
            return
        units = self.cell.output_size
        self._size = decoder.layers[0].kernel.shape[0] - units  # of the word vectors
        self._mechanism = make_mechanism(attention.score, units, dtype)
        layer = _make_dense(mixing.kernel, dtype)
        layer.activation = tf.tanh if attention.squashes else None
        self.cell = tfa.seq2seq.AttentionWrapper(
            self.cell,
            self._mechanism,
            attention_layer=layer,
            cell_input_fn=self._insert_attention,
            dtype=dtype.name,
        )

    def _insert_attention(self, inputs: tf.Tensor, attention: tf.Tensor) -> tf.Tensor:
        """Puts the last step's attention behind the word vectors, before any masks."""
        return tf.concat([inputs[:, : self._size], attention, inputs[:, self._size :]], axis=-1)

    def start(self, encoded: Encoded, beam_size: int = 1) -> Any:
        """Returns the state from which the cell starts.

        This is the one place that tiles for a beam and gives the attention its memory.

        Args:
            encoded: The encoded queries.
            beam_size: Hypotheses a query, W.

        Returns:
            The cell's state for B * W rows, each query's W rows in succession.
        """
        memory, state, lengths = encoded
        if beam_size > 1:
            memory, state, lengths = tfa.seq2seq.tile_batch((memory, state, lengths), beam_size)
        if self._mechanism is None:
            return state
        self._mechanism.setup_memory(memory, memory_sequence_length=lengths)
        start = self.cell.get_initial_state(batch_size=tf.shape(lengths)[0], dtype=memory.dtype)
        return start.clone(cell_state=state)

    def run(
        self, encoded: Encoded, inputs: tf.Tensor, lengths: tf.Tensor, masks: tf.Tensor | None
    ) -> tf.Tensor:
        """Runs over given replies as `Engine.run_decoder` does."""
        if masks is not None:
            inputs = tf.concat([inputs, masks], axis=-1)
        decoder = tfa.seq2seq.BasicDecoder(self.cell, tfa.seq2seq.TrainingSampler())
        outputs, _, _ = decoder(inputs, initial_state=self.start(encoded), sequence_length=lengths)
        return outputs.rnn_output


def make_cell(layer: LayerWeights, dtype: tf.DType) -> Any:
    """Makes a Keras cell of an LSTM layer's variables, cast to a type."""
    cell = tf.keras.layers.LSTMCell(layer.recurrent_kernel.shape[0], dtype=dtype.name)
    given = layer.kernel, layer.recurrent_kernel, layer.bias
    cell.kernel, cell.recurrent_kernel, cell.bias = (tf.cast(x, dtype) for x in given)
    cell.built = True
    return cell


def _make_dense(kernel: tf.Tensor, dtype: tf.DType) -> Any:
    dense = tf.keras.layers.Dense(kernel.shape[1], use_bias=False, dtype=dtype.name)
    dense.kernel, dense.bias = tf.cast(kernel, dtype), None
    dense.built = True
    return dense


def make_mechanism(score: scores.Score, units: int, dtype: tf.DType) -> Any:
    """Makes the library's mechanism, without a memory yet, of the variables cast to a type."""
    kind = MECHANISMS[type(score)]
    mechanism = kind(units, dtype=dtype.name)
    for name, kernel in score.matrices().items():
        setattr(mechanism, name, _make_dense(kernel, dtype))
    for name in ("attention_v", "attention_g", "attention_b", "attention_score_bias"):
        variable = getattr(score, name, None)
        setattr(mechanism, name, None if variable is None else tf.cast(variable, dtype))
    mechanism.scale_weight = mechanism.attention_g  # as one of the classes calls it
    is_monotonic = hasattr(score, "attention_score_bias")
    mechanism.default_probability_fn = _stop if is_monotonic else _normalise
    mechanism.built = True
    return mechanism


MECHANISMS = {
    scores.Luong: tfa.seq2seq.LuongAttention,
    scores.ScaledLuong: tfa.seq2seq.LuongAttention,
    scores.Bahdanau: tfa.seq2seq.BahdanauAttention,
    scores.NormedBahdanau: tfa.seq2seq.BahdanauAttention,
    scores.Monotonic: tfa.seq2seq.BahdanauMonotonicAttention,
    scores.LuongMonotonic: tfa.seq2seq.LuongMonotonicAttention,
}
"""{our class: the library's}; the variables decide whether it is scaled or normalised."""


def _stop(scored: Any, before: Any) -> Any:
    """Returns the library's monotonic attention, `[B, S]`, computed in float32."""
    stops = tf.sigmoid(tf.ensure_shape(tf.cast(scored, tf.float32), [None, None]))
    weights = tfa.seq2seq.monotonic_attention(stops, tf.cast(before, tf.float32), "parallel")
    return tf.cast(weights, scored.dtype)


def _normalise(scores: Any, _: Any) -> Any:
    """Returns the softmax of scores `[B, S]`.

    Inside a loop TensorFlow's planner loses their rank, and unless it is stated again the planner
    complains of the softmax's unknown cost on standard error, whatever the log level.
    """
    return tf.nn.softmax(tf.ensure_shape(scores, [None, None]))
