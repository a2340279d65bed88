"""The tutorial's classes as an engine: Keras' LSTM, `AttentionWrapper` under `BasicDecoder`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from chatbot.addons.beam_search import AddonsBeamSearch
from chatbot.addons.decoder import AddonsDecoder, make_cell
from chatbot.addons.greedy_search import AddonsGreedySearch
from chatbot.network.decoder import Decoder
from chatbot.network.encoder import Encoded
from chatbot.network.variables import LayerWeights


class AddonsEngine:
    """Trains and replies by Keras and tensorflow_addons, step by step."""

    name = "addons"
    title = "Keras and tensorflow_addons"
    fuses_losses = False

    def run_layer(
        self, layer: LayerWeights, inputs: tf.Tensor, lengths: tf.Tensor
    ) -> list[tf.Tensor]:
        """As in `Engine`."""
        made = tf.keras.layers.LSTM(
            layer.recurrent_kernel.shape[0],
            return_sequences=True,
            return_state=True,
            dtype=inputs.dtype.name,
        )
        made.cell = make_cell(layer, inputs.dtype)
        made.built = True
        return list(made(inputs, mask=tf.sequence_mask(lengths, tf.shape(inputs)[1])))

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
        made = AddonsDecoder(decoder, encoded.memory.dtype, layers)
        return made.run(encoded, inputs, lengths, masks)

    def make_search(self, model: Any, beam_size: int) -> Any:
        """Makes the library's search of a width: 1 is greedy search."""
        return AddonsGreedySearch(model) if beam_size == 1 else AddonsBeamSearch(model, beam_size)
