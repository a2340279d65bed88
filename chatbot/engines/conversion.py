"""From a network in TensorFlow to arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from chatbot.lite.weights import CellWeights, ScoreWeights, Weights
from chatbot.network.seq2seq import Seq2Seq
from chatbot.network.variables import LayerVariables


def take_weights(model: Seq2Seq) -> Weights:
    """Copies a network's weights into arrays."""
    score = None
    decoder, config = model.decoder, model.config
    attention = decoder.weights().attention
    if attention is not None:
        score = ScoreWeights(
            config.attention,
            _copy(attention.output_kernel),
            attention.squashes,
            {name: _copy(matrix) for name, matrix in attention.score.matrices().items()},
            {name: _copy(tensor) for name, tensor in attention.score.shared().items()},
            config.attention_heads if config.attention == "multi_head" else 1,
        )
    return Weights(
        _copy(model.embedding),
        [[_take_cell(cell) for cell in cells] for cells in model.encoder.directions],
        [_take_cell(layer) for layer in decoder.layers],
        score,
        _copy(model.projection.fold()),
        _copy(model.projection.bias),
        config.residual,
    )


def _take_cell(layer: LayerVariables) -> CellWeights:
    laid = layer.weights()
    arrays = map(_copy, (laid.kernel, laid.recurrent_kernel, laid.bias))
    return CellWeights(laid.cell, *arrays)


def _copy(tensor: Any) -> Any:
    return np.asarray(tensor)
