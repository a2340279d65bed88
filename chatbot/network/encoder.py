"""From the query's word vectors to what the decoder needs of it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.network.dropout import ENCODER_WEIGHT_STREAM, drop
from chatbot.network.self_attention import SelfAttention
from chatbot.network.variables import LAYERS, LayerVariables, weigh
from chatbot.settings.config import ModelConfig

State = tuple[list[tf.Tensor], ...]
"""Each layer's `[h, c]`, both `float [B, U]`."""


class Encoded(NamedTuple):
    """A batch of encoded queries.

    Attributes:
        memory: `float [B, S, U]`, the top layer's output at each token, or what self-attention
            makes of it; zero on padding.
        state: Every layer's state after the last real token.
        lengths: `int32 [B]`, the queries' real tokens.
    """

    memory: tf.Tensor
    state: State
    lengths: tf.Tensor


class Encoder(tf.Module):
    """Layers that read the query from left to right, or both ways side by side.

    A layer that reads both ways has two cells of half its units, and what it hands on, outputs and
    last states, is theirs side by side: the bidirectional network of Schuster and Paliwal 1997,
    "Bidirectional Recurrent Neural Networks". Adding a layer's input to its output follows Wu et
    al. 2016, "Google's Neural Machine Translation System", section 3.1.
    """

    def __init__(self, config: ModelConfig, seeds: Random) -> None:
        super().__init__(name="encoder")
        self._config = config
        self.stack = tf.Module(name="stack")  # checkpoints name it encoder/stack/layers/0/cell
        self.stack.layers = [tf.Module(name="layer") for _ in range(config.num_layers)]
        size, make = config.embedding_size, LAYERS[config.cell]
        units = config.rnn_size // 2 if config.bidirectional else config.rnn_size
        for layer in self.stack.layers:
            layer.cell = make(size, units, seeds, config.layer_norm)
            if config.bidirectional:
                layer.backward_cell = make(size, units, seeds, config.layer_norm)
            size = config.rnn_size
        self.self_attention = [SelfAttention(config, seeds) for _ in range(config.self_attention)]

    @property
    def directions(self) -> list[list[LayerVariables]]:
        """Each layer's cells, the lowest layer first: forwards, then backwards if there is one."""
        names = ["cell", "backward_cell"] if self._config.bidirectional else ["cell"]
        return [[getattr(layer, name) for name in names] for layer in self.stack.layers]

    @property
    def layers(self) -> list[LayerVariables]:
        """The cells of `directions` in one list."""
        return [cell for cells in self.directions for cell in cells]

    def listed(self) -> list[tf.Variable]:
        """Returns the variables in the order in which Keras lists them."""
        parts: list[Any] = [*self.layers, *self.self_attention]
        return [variable for part in parts for variable in part.listed()]

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
        for index, cells in enumerate(self.directions):
            below = outputs
            outputs, *state = self._run(index, cells, below, lengths, engine, dropout_seed)
            states.append(state)
            outputs = drop(outputs, dropout_seed, index, rate, same)
            if self._config.residual and index:
                outputs += below
        for attention in self.self_attention:
            outputs = attention(outputs, lengths)
        real = tf.sequence_mask(lengths, tf.shape(embedded)[1], outputs.dtype)
        return Encoded(outputs * real[:, :, tf.newaxis], tuple(states), lengths)

    def _run(
        self,
        index: int,
        cells: list[LayerVariables],
        inputs: tf.Tensor,
        lengths: tf.Tensor,
        engine: Any,
        seed: tf.Tensor | None,
    ) -> list[tf.Tensor]:
        """Runs a layer; returns the outputs `[B, S, U]`, and the last hidden state and carry."""
        rate, found = self._config.weight_drop, []
        for backwards, cell in enumerate(cells):
            weights = weigh(cell, seed, ENCODER_WEIGHT_STREAM + 2 * index + backwards, rate)
            turned = turn(inputs, lengths) if backwards else inputs
            outputs, *state = engine.run_layer(weights, turned, lengths)
            found.append([turn(outputs, lengths) if backwards else outputs, *state])
        return [side_by_side(parts) for parts in zip(*found)]


def turn(sequences: tf.Tensor, lengths: tf.Tensor, time: int = 1) -> tf.Tensor:
    """Turns the real part of each sequence round.

    Args:
        sequences: `[B, S, ...]`.
        lengths: `int32 [B]`.
        time: The dimension that S is, where B is the other one of the first two.
    """
    return tf.reverse_sequence(sequences, lengths, seq_axis=time, batch_axis=1 - time)


def side_by_side(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    """Joins the directions' outputs or states `[..., U / 2]` to `[..., U]`; one stays as it is."""
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=-1)
