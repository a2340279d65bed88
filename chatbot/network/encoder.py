"""From the query's word vectors to what the decoder needs of it."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import tensorflow as tf

from chatbot.network.rnn import LSTMEncoderStack, State


class Encoded(NamedTuple):
    """A batch of encoded queries.

    Attributes:
        memory: `float [B, S, U]`, the top layer's output at each token, zero on padding.
        state: Every layer's `[h, c]`, each `float [B, U]`, after the last real token.
        lengths: `int32 [B]`, the queries' real tokens.
    """

    memory: tf.Tensor
    state: State
    lengths: tf.Tensor


class Encoder(tf.Module):
    """LSTM layers that read the query from left to right."""

    def __init__(
        self,
        rnn_size: int,
        num_layers: int,
        dropout: float,
        seeds: Random | None = None,
        same_masks: bool = False,
    ) -> None:
        """Makes the layers.

        Args:
            rnn_size: Units of each layer.
            num_layers: Number of layers.
            dropout: Fraction of each layer's output dropped in training.
            seeds: Where the first weights' seeds come from.
            same_masks: Whether a row's dropout mask is the same at all its steps.
        """
        super().__init__(name="encoder")
        self.stack = LSTMEncoderStack(rnn_size, num_layers, dropout, seeds, same_masks)

    def build(self, embedding_size: int) -> None:
        """Makes the variables.

        Args:
            embedding_size: Width of the word vectors, E.
        """
        self.stack.build(embedding_size)

    def __call__(
        self, embedded: tf.Tensor, lengths: tf.Tensor, dropout_seed: tf.Tensor | None = None
    ) -> Encoded:
        """Encodes a batch of queries padded on the right.

        Args:
            embedded: `float [B, S, E]`, the queries' word vectors.
            lengths: `int32 [B]`, at least 1.
            dropout_seed: `int32 [2]` in training; None for no dropout.

        Returns:
            The encoded queries.
        """
        memory, state = self.stack(embedded, lengths, dropout_seed)
        return Encoded(memory, state, lengths)
