"""The attending decoder: its variables, and how it runs over given replies."""

from __future__ import annotations

from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.dropout import DECODER_STREAM, DECODER_WEIGHT_STREAM, draw_step_masks
from chatbot.network.encoder import Encoded
from chatbot.network.fast_decoder import AttentionWeights, DecoderWeights, run_attending
from chatbot.network.scores import Score, make_score
from chatbot.network.variables import LAYERS, LayerVariables, LayerWeights, Matrix, weigh
from chatbot.settings.config import ModelConfig


class Decoder(tf.Module):
    """Layers that attend to the memory after each step, or bare ones without attention."""

    def __init__(self, config: ModelConfig, seeds: Random) -> None:
        super().__init__(name="decoder")
        self._config = config
        size = config.embedding_size + (config.rnn_size if config.use_attention else 0)
        sizes = [size] + [config.rnn_size] * (config.num_layers - 1)
        # Checkpoints name them decoder/_cells/cells/0, decoder/_mechanism, _attention_layer.
        self._cells = tf.Module(name="cells")
        make, norm = LAYERS[config.cell], config.layer_norm
        self._cells.cells = [make(size, config.rnn_size, seeds, norm) for size in sizes]
        self._mechanism = self._attention_layer = None
        if config.use_attention:
            self._mechanism = make_score(config, seeds)
            self._attention_layer = Matrix(2 * config.rnn_size, config.rnn_size, seeds)

    @property
    def layers(self) -> list[LayerVariables]:
        """Each layer's variables, the lowest first."""
        return list(self._cells.cells)

    @property
    def attention(self) -> Score | None:
        """What the attention's weights come from, or None without attention."""
        return self._mechanism

    @property
    def attention_layer(self) -> Matrix | None:
        """From output and context to the attention, `float32 [2 * U, U]`, or None."""
        return self._attention_layer

    @property
    def squashes(self) -> bool:
        """Whether the attention is the tanh of what `attention_layer` gives."""
        return self._config.attention_tanh

    def listed(self) -> list[tf.Variable]:
        """Returns the variables in the order in which Keras lists them."""
        mixing = [] if self._attention_layer is None else [self._attention_layer.kernel]
        score = [] if self._mechanism is None else self._mechanism.listed()
        return [*mixing, *(x for layer in self.layers for x in layer.listed()), *score]

    def teacher_forced(
        self,
        encoded: Encoded,
        inputs: tf.Tensor,
        lengths: tf.Tensor,
        engine: Any,
        dropout_seed: tf.Tensor | None = None,
        looks: list[tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Runs the decoder over given replies.

        Args:
            encoded: The encoded queries.
            inputs: `float [B, T, E]`, word vectors of the start token and of the replies without
                their last tokens.
            lengths: `int32 [B]`, the replies' tokens.
            engine: Runs the loop; see `chatbot.network.engine`.
            dropout_seed: `int32 [2]` in training; None for no dropout.
            looks: If it is a list, the attention's weights, `float32 [B, T, (H), S]`, are appended
                to it, and for a pointer-generator its query and context, `float [B, T, 2 * U]`.
                Gradients go through them; our own loop runs, whatever the engine.

        Returns:
            `float [B, T, U]`, what the projection to the vocabulary is applied to; undefined on
            padding.
        """
        masks = None
        if dropout_seed is not None and self._config.dropout > 0:
            masks = self._draw_masks(inputs, dropout_seed)
        layers = self.weigh_layers(dropout_seed)
        if looks is None:
            return engine.run_decoder(self, layers, encoded, inputs, lengths, masks)
        joined = self._config.pointer_generator
        outputs, *shown = run_attending(self.weights(layers), encoded, inputs, masks, joined)
        looks += shown
        return outputs

    def weigh_layers(self, dropout_seed: tf.Tensor | None = None) -> list[LayerWeights]:
        """Lays out each layer's variables, the lowest first; see `variables.weigh`."""
        rate = self._config.weight_drop
        return [
            weigh(layer, dropout_seed, DECODER_WEIGHT_STREAM + place, rate)
            for place, layer in enumerate(self.layers)
        ]

    def weights(self, layers: list[LayerWeights] | None = None) -> DecoderWeights:
        """Returns the variables by their part in the sums.

        Args:
            layers: From `weigh_layers`; None for those that drop nothing.
        """
        attention = None
        if self._mechanism is not None and self._attention_layer is not None:
            output_kernel = self._mechanism.mix(self._attention_layer.kernel)
            attention = AttentionWeights(self._mechanism, output_kernel, self.squashes)
        return DecoderWeights(layers or self.weigh_layers(), self._config.residual, attention)

    def _draw_masks(self, inputs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draws every step's masks for every layer, `[B, T, L * U]`."""
        config, dtype = self._config, inputs.dtype
        shape = [*tf.unstack(tf.shape(inputs)[:2]), config.num_layers * config.rnn_size]
        rate, same = config.dropout, config.variational_dropout
        masks = draw_step_masks(seed, DECODER_STREAM, shape, rate, dtype, same)
        return tf.broadcast_to(masks, shape) if same else masks
