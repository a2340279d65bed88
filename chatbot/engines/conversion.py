"""From a network in TensorFlow to arrays."""

from __future__ import annotations

from typing import Any

from chatbot.lite.weights import LSTMWeights, ScoreWeights, Weights
from chatbot.network.seq2seq import Seq2Seq


def take_weights(model: Seq2Seq) -> Weights:
    """Copies a network's weights into arrays."""
    score = None
    decoder = model.decoder
    if decoder.attention is not None and decoder.attention_layer is not None:
        query_layer, vector = decoder.attention.query_layer, decoder.attention.attention_v
        score = ScoreWeights(
            _copy(decoder.attention.memory_layer.kernel),
            _copy(decoder.attention_layer.kernel),
            None if query_layer is None else _copy(query_layer.kernel),
            None if vector is None else _copy(vector),
        )
    return Weights(
        _copy(model.embedding),
        [LSTMWeights(*map(_copy, layer.listed())) for layer in model.encoder.layers],
        [LSTMWeights(*map(_copy, layer.listed())) for layer in decoder.layers],
        score,
        _copy(model.projection.fold()),
        _copy(model.projection.bias),
    )


def _copy(tensor: Any) -> Any:
    return tensor.numpy()
