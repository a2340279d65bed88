"""Who runs the network's loops: our own here, or another engine with the same methods."""

from __future__ import annotations

from typing import Any, Protocol

import tensorflow as tf

from chatbot.network.cudnn_lstm import has_cudnn, run_cudnn_lstm
from chatbot.network.decoder import Decoder
from chatbot.network.encoder import Encoded
from chatbot.network.fast_decoder import run_decoder
from chatbot.network.fast_layer import run_layer
from chatbot.network.variables import LayerWeights


class Engine(Protocol):
    """Runs the loops over a network's variables.

    Attributes:
        name: What `--engine` calls it.
        title: What a person is told.
        fuses_losses: Whether projection and cross entropy are one operation in training.
    """

    name: str
    title: str
    fuses_losses: bool

    def run_layer(
        self, layer: LayerWeights, inputs: tf.Tensor, lengths: tf.Tensor
    ) -> list[tf.Tensor]:
        """Runs an encoder's layer, or one direction of it.

        Args:
            layer: Its variables, as they are to be used.
            inputs: `float [B, S, X]`, in the type of the matrix products.
            lengths: `int32 [B]`, at least 1.

        Returns:
            The outputs `[B, S, U]`, undefined on padding, the last hidden state and the last carry.
        """
        ...

    def run_decoder(
        self,
        decoder: Decoder,
        layers: list[LayerWeights],
        encoded: Encoded,
        inputs: tf.Tensor,
        lengths: tf.Tensor,
        masks: tf.Tensor | None,
    ) -> tf.Tensor:
        """Runs a decoder over given replies.

        Args:
            decoder: Its variables.
            layers: Those of its layers, as they are to be used.
            encoded: The encoded queries.
            inputs: `float [B, T, E]`, word vectors.
            lengths: `int32 [B]`, the replies' tokens.
            masks: `float [B, T, L * U]`, every layer's dropout masks, or None.

        Returns:
            `float [B, T, U]`, undefined on padding.
        """
        ...

    def make_search(self, model: Any, beam_size: int) -> Any:
        """Makes the engine's search of a width, or None where `chatbot.search` has it."""
        ...


class OwnEngine:
    """Our own loops, except that on an NVIDIA GPU cuDNN runs the encoder's plain LSTM layers."""

    name = "own"
    title = "our own loops"
    fuses_losses = True

    def run_layer(
        self, layer: LayerWeights, inputs: tf.Tensor, lengths: tf.Tensor
    ) -> list[tf.Tensor]:
        """As in `Engine`."""
        by_cudnn = has_cudnn() and layer.cell == "lstm" and layer.gain is None
        run = run_cudnn_lstm if by_cudnn else run_layer
        outputs, *state = run(tf.transpose(inputs, [1, 0, 2]), lengths, layer)
        return [tf.transpose(outputs, [1, 0, 2]), *state]

    def run_decoder(
        self,
        decoder: Decoder,
        layers: list[LayerWeights],
        encoded: Encoded,
        inputs: tf.Tensor,
        lengths: tf.Tensor,
        masks: tf.Tensor | None,
    ) -> tf.Tensor:
        """As in `Engine`."""
        del lengths  # what is on padding counts for nothing
        return run_decoder(decoder.weights(layers), encoded, inputs, masks)

    def make_search(self, model: Any, beam_size: int) -> Any:
        """Returns None."""
        return None
