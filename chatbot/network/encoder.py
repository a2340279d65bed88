"""From the query's word vectors to what the decoder needs of it."""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.network.dropout import drop
from chatbot.network.variables import LSTMVariables
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
    """LSTM layers that read the query from left to right."""

    def __init__(self, config: ModelConfig, seeds: Random) -> None:
        super().__init__(name="encoder")
        self._config = config
        self.stack = tf.Module(name="stack")  # checkpoints name it encoder/stack/layers/0/cell
        self.stack.layers = [tf.Module(name="layer") for _ in range(config.num_layers)]
        size = config.embedding_size
        for layer in self.stack.layers:
            layer.cell = LSTMVariables(size, config.rnn_size, seeds)
            size = config.rnn_size

    @property
    def layers(self) -> list[LSTMVariables]:
        """Each layer's variables, the lowest first."""
        return [layer.cell for layer in self.stack.layers]

    def listed(self) -> list[tf.Variable]:
        """Returns the variables in the order in which Keras lists them."""
        return [variable for layer in self.layers for variable in layer.listed()]

    def __call__(
        self,
        embedded: tf.Tensor,
        lengths: tf.Tensor,
        engine: Any,
        dropout_seed: tf.Tensor | None = None,
    ) -> Encoded:
        """Encodes a batch of queries padded on the right.

        Args:
            embedded: `float [B, S, E]`, the queries' word vectors.
            lengths: `int32 [B]`, at least 1.
            engine: Runs the layers; see `chatbot.network.engine`.
            dropout_seed: `int32 [2]` in training; None for no dropout.
        """
        rate, same = self._config.dropout, self._config.variational_dropout
        outputs, states = embedded, []
        for index, layer in enumerate(self.layers):
            outputs, *state = engine.run_layer(layer, outputs, lengths)
            states.append(state)
            outputs = drop(outputs, dropout_seed, index, rate, same)
        real = tf.sequence_mask(lengths, tf.shape(embedded)[1], outputs.dtype)
        return Encoded(outputs * real[:, :, tf.newaxis], tuple(states), lengths)
