"""From the query's word vectors to what the decoder needs of it."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import tensorflow as tf

from chatbot.network.dropout import drop
from chatbot.network.fast_lstm import run_lstm
from chatbot.network.initializers import make_lstm_initializers
from chatbot.settings.config import ModelConfig

State = tuple[list[tf.Tensor], ...]
"""Each layer's `[h, c]`, both `float [B, U]`."""


class Encoded(NamedTuple):
    """A batch of encoded queries.

    Attributes:
        memory: `float [B, S, U]`, the top layer's output at each token, zero on padding.
        state: Every layer's state after the last real token.
        lengths: `int32 [B]`, the queries' real tokens.
    """

    memory: tf.Tensor
    state: State
    lengths: tf.Tensor


class Encoder(tf.Module):
    """LSTM layers that read the query from left to right, in the layout that cuDNN accepts.

    Attributes:
        fast: Whether they run in our own loop, which gives the same results sooner on a processor,
            or in Keras'.
    """

    def __init__(self, config: ModelConfig, seeds: Random) -> None:
        super().__init__(name="encoder")
        self.fast = False
        self._config = config
        self.stack = tf.Module(name="stack")  # checkpoints name the layers encoder/stack/layers
        self.stack.layers = [
            tf.keras.layers.LSTM(
                config.rnn_size,
                return_sequences=True,
                return_state=True,
                name=f"layer_{index}",
                **make_lstm_initializers(seeds),
            )
            for index in range(config.num_layers)
        ]
        size = config.embedding_size
        for layer in self.stack.layers:
            layer.build(tf.TensorShape([None, None, size]))
            size = config.rnn_size

    def __call__(
        self, embedded: tf.Tensor, lengths: tf.Tensor, dropout_seed: tf.Tensor | None = None
    ) -> Encoded:
        """Encodes a batch of queries padded on the right.

        Args:
            embedded: `float [B, S, E]`, the queries' word vectors.
            lengths: `int32 [B]`, at least 1.
            dropout_seed: `int32 [2]` in training; None for no dropout.
        """
        rate, same = self._config.dropout, self._config.variational_dropout
        outputs, states = embedded, []
        for index, layer in enumerate(self.stack.layers):
            outputs, *state = self._run(layer, outputs, lengths)
            states.append(state)
            outputs = drop(outputs, dropout_seed, index, rate, same)
        real = tf.sequence_mask(lengths, tf.shape(embedded)[1], outputs.dtype)
        return Encoded(outputs * real[:, :, tf.newaxis], tuple(states), lengths)

    def _run(
        self, layer: tf.keras.layers.LSTM, inputs: tf.Tensor, lengths: tf.Tensor
    ) -> list[tf.Tensor]:
        """Returns a layer's outputs `[B, S, U]`, its last hidden state and its last carry."""
        if not self.fast:
            return list(layer(inputs, mask=tf.sequence_mask(lengths, tf.shape(inputs)[1])))
        weights = layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias
        outputs, *state = run_lstm(tf.transpose(inputs, [1, 0, 2]), lengths, *weights)
        return [tf.transpose(outputs, [1, 0, 2]), *state]
