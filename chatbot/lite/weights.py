"""A network's weights as arrays, for whoever runs it without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


class CellWeights(NamedTuple):
    """A layer's weights, for its four gates; `chatbot.network.variables` has their order.

    Attributes:
        cell: "lstm" or "gru".
        kernel: `float32 [X, 4 * U]`, for the layer's inputs.
        recurrent_kernel: `float32 [U, 4 * U]`, for its hidden state.
        bias: `float32 [4 * U]`.
    """

    cell: str
    kernel: Array
    recurrent_kernel: Array
    bias: Array


class ScoreWeights(NamedTuple):
    """The attention's weights; `chatbot.network.scores` has the formulas.

    Attributes:
        name: That of `--attention`.
        output_kernel: From query and context to the attention, `float32 [2 * U, U]`.
        squashes: Whether the attention is the tanh of that product.
        matrices: `float32 [U, U]`: "memory_layer" and "value_layer" make keys and values of the
            memory, "query_layer" multiplies the query; what is not there is the identity.
        shared: "scale" `float32 []` multiplies the keys, "bias" `float32 [U]` is added to them, and
            "vector", `float32 [U]`, makes the score additive.
        heads: H, 1 for all but multi_head.
    """

    name: str
    output_kernel: Array
    squashes: bool
    matrices: dict[str, Array]
    shared: dict[str, Array]
    heads: int


class Weights(NamedTuple):
    """The weights of a whole network.

    Attributes:
        embedding: `float32 [V, E]`.
        encoder: The encoder's layers, the lowest first: forwards, then backwards if there is one,
            of half the units each.
        decoder: The decoder's layers; the lowest reads word vectors and, with attention, the last
            step's attention, `[E + U, 4 * U]`.
        attention: None without attention.
        projection: `float32 [U, V]`.
        bias: Of the projection, `float32 [V]`.
        residual: Whether a layer's input is added to its output, from the second layer on.
    """

    embedding: Array
    encoder: list[list[CellWeights]]
    decoder: list[CellWeights]
    attention: ScoreWeights | None
    projection: Array
    bias: Array
    residual: bool

    @property
    def units(self) -> int:
        """Units of a layer, U."""
        return len(self.projection)

    @property
    def state_size(self) -> int:
        """Elements of the decoder's state, X."""
        return self.units * (2 * len(self.decoder) + (self.attention is not None))

    def are_finite(self) -> bool:
        """Tells whether all of them are numbers."""
        return all(np.isfinite(array).all() for array in _list_arrays(self))


def _list_arrays(weights: Any) -> Iterator[Array]:
    if isinstance(weights, (tuple, list, dict)):
        for part in weights.values() if isinstance(weights, dict) else weights:
            yield from _list_arrays(part)
    elif isinstance(weights, np.ndarray):
        yield weights
