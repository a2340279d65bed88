"""The attending decoder: how it starts, and how it is trained on given replies."""

from __future__ import annotations

from random import Random
from typing import Any

import tensorflow as tf
import tensorflow_addons as tfa

from chatbot.network.attention import make_mechanism
from chatbot.network.dropout import DECODER_STREAM, draw_step_masks
from chatbot.network.encoder import Encoded, State
from chatbot.network.fast_decoder import AttentionWeights, DecoderWeights, run_decoder
from chatbot.network.initializers import make_lstm_initializers, make_matrix
from chatbot.settings.config import ModelConfig


class LSTMCellStack(tf.keras.layers.AbstractRNNCell):
    """LSTM cells, one step at a time, each output multiplied by a mask if masks are given.

    The masks are extra columns of the input, drawn outside the decoding loop: one draw serves all
    its steps, and the loop itself has no randomness in it.
    """

    def __init__(self, config: ModelConfig, seeds: Random) -> None:
        super().__init__()
        self._rnn_size = config.rnn_size
        attention_size = config.rnn_size if config.use_attention else 0
        self._input_size = config.embedding_size + attention_size  # X, without masks
        self.cells = [
            tf.keras.layers.LSTMCell(
                config.rnn_size, name=f"cell_{index}", **make_lstm_initializers(seeds)
            )
            for index in range(config.num_layers)
        ]

    @property
    def state_size(self) -> tuple[list[int], ...]:
        """The sizes of `[h, c]` of every layer."""
        return tuple([self._rnn_size, self._rnn_size] for _ in self.cells)

    @property
    def output_size(self) -> int:
        """The width of the top layer's output."""
        return self._rnn_size

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
            outputs, next_state = cell(outputs, list(state))
            next_states.append(list(next_state))
            if masks:
                outputs = outputs * masks[index]
        return outputs, tuple(next_states)


class Decoder(tf.Module):
    """LSTM cells under `AttentionWrapper`, or bare where attention is switched off.

    Attributes:
        cell: What the library's searches step through.
        fast: Whether teacher forcing and searches run in our own loops, which give the same
            results sooner on a processor, or in the library's.
    """

    def __init__(self, config: ModelConfig, seeds: Random) -> None:
        super().__init__(name="decoder")
        self._config = config
        self._mechanism = None
        self.fast = False
        self._cells = LSTMCellStack(config, seeds)
        self.cell: Any = self._cells
        if config.use_attention:
            self._mechanism = make_mechanism(config.attention, config.rnn_size, seeds)
            self._attention_layer = make_matrix(config.rnn_size, seeds)
            self.cell = tfa.seq2seq.AttentionWrapper(
                self._cells,
                self._mechanism,
                attention_layer=self._attention_layer,
                cell_input_fn=self._insert_attention,
            )

    def _insert_attention(self, inputs: tf.Tensor, attention: tf.Tensor) -> tf.Tensor:
        """Puts the last step's attention behind the word vectors, before any masks."""
        size = self._config.embedding_size
        return tf.concat([inputs[:, :size], attention, inputs[:, size:]], axis=-1)

    def start(self, encoded: Encoded, beam_size: int = 1) -> Any:
        """Returns the state from which the decoder's cell starts.

        This is the one place that tiles for a beam and gives the attention its memory; call it
        inside every traced function that uses the cell.

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

    def teacher_forced(
        self,
        encoded: Encoded,
        inputs: tf.Tensor,
        lengths: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Runs the decoder over given replies.

        Args:
            encoded: The encoded queries.
            inputs: `float [B, T, E]`, word vectors of the start token and of the replies without
                their last tokens.
            lengths: `int32 [B]`, the replies' tokens.
            dropout_seed: `int32 [2]` in training; None for no dropout.

        Returns:
            `float [B, T, U]`, what the projection to the vocabulary is applied to; undefined on
            padding.
        """
        masks = None
        if dropout_seed is not None and self._config.dropout > 0:
            masks = self._draw_masks(inputs, dropout_seed)
        if self.fast:
            return run_decoder(self.weights(), encoded, inputs, masks)
        if masks is not None:
            inputs = tf.concat([inputs, masks], axis=-1)
        decoder = tfa.seq2seq.BasicDecoder(self.cell, tfa.seq2seq.TrainingSampler())
        outputs, _, _ = decoder(inputs, initial_state=self.start(encoded), sequence_length=lengths)
        return outputs.rnn_output

    def weights(self) -> DecoderWeights:
        """Returns the variables by their part in the sums; the cell must have run once."""
        cells = self._cells.cells
        kernels = [tf.concat([cell.kernel, cell.recurrent_kernel], axis=0) for cell in cells]
        attention = None
        if self._mechanism is not None:
            query_layer = self._mechanism.query_layer
            attention = AttentionWeights(
                self._mechanism.memory_layer.kernel,
                self._attention_layer.kernel,
                None if query_layer is None else query_layer.kernel,
                getattr(self._mechanism, "attention_v", None),
            )
        return DecoderWeights(kernels, [cell.bias for cell in cells], attention)

    def _draw_masks(self, inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draws every step's masks for every layer, `[B, T, L * U]`."""
        config, dtype = self._config, inputs.dtype
        shape = [*tf.unstack(tf.shape(inputs)[:2]), config.num_layers * config.rnn_size]
        rate, same = config.dropout, config.variational_dropout
        masks = draw_step_masks(seed, DECODER_STREAM, shape, rate, dtype, same)
        return tf.broadcast_to(masks, shape) if same else masks
