"""A network's weights as arrays, for whoever runs it without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


class LSTMWeights(NamedTuple):
    """An LSTM layer's weights, for the gates i, f, g, o in this order.

    Attributes:
        kernel: `float32 [X, 4 * U]`, for the layer's inputs.
        recurrent_kernel: `float32 [U, 4 * U]`, for its hidden state.
        bias: `float32 [4 * U]`.
    """

    kernel: Array
    recurrent_kernel: Array
    bias: Array


class ScoreWeights(NamedTuple):
    """The attention's weights; see `chatbot.network.attention`.

    Attributes:
        memory_kernel: M, `float32 [U, U]`.
        output_kernel: From query and context to the attention, `float32 [2 * U, U]`.
        query_kernel: W, `float32 [U, U]`, or None for the multiplicative score.
        vector: v, `float32 [U]`, or None for the multiplicative score.
    """

    memory_kernel: Array
    output_kernel: Array
    query_kernel: Array | None
    vector: Array | None


class Weights(NamedTuple):
    """The weights of a whole network.

    Attributes:
        embedding: `float32 [V, E]`.
        encoder: The encoder's layers, the lowest first.
        decoder: The decoder's layers; the lowest reads word vectors and, with attention, the last
            step's attention, `[E + U, 4 * U]`.
        attention: None without attention.
        projection: `float32 [U, V]`.
        bias: Of the projection, `float32 [V]`.
    """

    embedding: Array
    encoder: list[LSTMWeights]
    decoder: list[LSTMWeights]
    attention: ScoreWeights | None
    projection: Array
    bias: Array

    @property
    def units(self) -> int:
        """Units of an LSTM layer, U."""
        return len(self.projection)

    @property
    def state_size(self) -> int:
        """Elements of the decoder's state, X."""
        return self.units * (2 * len(self.decoder) + (self.attention is not None))

    def are_finite(self) -> bool:
        """Tells whether all of them are numbers."""
        return all(np.isfinite(array).all() for array in _list_arrays(self))


def _list_arrays(weights: Any) -> Iterator[Array]:
    if isinstance(weights, (tuple, list)):
        for part in weights:
            yield from _list_arrays(part)
    elif weights is not None:
        yield weights
