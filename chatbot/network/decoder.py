"""The attending decoder: how it starts, and how it is taught."""

from __future__ import annotations

from random import Random
from typing import Any

import tensorflow as tf
import tensorflow_addons as tfa

from chatbot.network.attention import make_mechanism, make_projection
from chatbot.network.encoder import Encoded
from chatbot.network.fast_decoder import AttentionWeights, DecoderWeights, force
from chatbot.network.rnn import LSTMCellStack, draw_step_masks
from chatbot.settings.config import ModelConfig

DROPOUT_STREAM = 1000
"""Dropout stream of the decoder's layers; the encoder's count up from 0."""


class Decoder(tf.Module):
    """LSTM cells under `AttentionWrapper`, or bare where attention is switched off.

    Attributes:
        cell: What the library's searches step through.
        fast: Whether teacher forcing and searches run in our own loops, which give the same
            results sooner on a processor, or in the library's.
    """

    def __init__(self, config: ModelConfig, seeds: Random | None = None) -> None:
        """Makes the cells and the attention.

        Args:
            config: The network's settings.
            seeds: Where the first weights' seeds come from; None for fixed ones.
        """
        seeds = seeds or Random(0)
        super().__init__(name="decoder")
        self._config = config
        self._mechanism = None
        self.fast = False
        attention_size = config.rnn_size if config.use_attention else 0
        self._cells = LSTMCellStack(
            config.rnn_size, config.num_layers, config.embedding_size + attention_size, seeds
        )
        self.cell: Any = self._cells
        if config.use_attention:
            self._mechanism = make_mechanism(config.attention, config.rnn_size, seeds)
            self._attention_layer = make_projection(config.rnn_size, seeds)
            self.cell = tfa.seq2seq.AttentionWrapper(
                self._cells,
                self._mechanism,
                attention_layer=self._attention_layer,
                cell_input_fn=self._join_attention,
            )

    def _join_attention(self, inputs: tf.Tensor, attention: tf.Tensor) -> tf.Tensor:
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
            `float [B, T, U]`, what the projection to the vocabulary is applied to; on padding
            whatever the loop gives there.
        """
        masks = None
        if dropout_seed is not None and self._config.dropout > 0:
            masks = self._draw_masks(inputs, dropout_seed)
        if self.fast:
            return force(self.weights(), encoded, inputs, masks)
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
        config = self._config
        shape = [*tf.unstack(tf.shape(inputs)[:2]), config.num_layers * config.rnn_size]
        masks = draw_step_masks(
            seed, DROPOUT_STREAM, shape, config.dropout, inputs.dtype, config.variational_dropout
        )
        return tf.broadcast_to(masks, shape) if config.variational_dropout else masks
