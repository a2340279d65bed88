"""Matrix products with constant weights, as nodes of an ONNX graph: in float32 or in int8.

In int8 every column of a kernel has its own scale, and so has every row of what it multiplies.
What becomes of a row depends on this row alone: a query gets the same reply in any batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from chatbot.lite.nodes import Nodes
from chatbot.lite.weights import Array

ACTIVATIONS = 127
"""Steps from 0 to the greatest element of a row."""
WEIGHTS = 63
"""Steps from 0 to the greatest element of a column.

Without VNNI instructions a processor adds up two products of uint8 and int8 in 16 bits, which hold
2 * 255 * 63 but no more than 2 * 255 * 64.
"""
LEAST = 1e-30
"""Keeps the scale of a row of zeros above 0."""


class Part(NamedTuple):
    """Columns of what a product multiplies; in int8 each part has its own scales.

    Attributes:
        name: The tensor, `[..., X]`.
        size: X.
        scale: The tensor of the rows' scales `float32 [..., 1]` where `name` is quantised already.
    """

    name: str
    size: int
    scale: str = ""


class Products(Protocol):
    """Looks up word vectors and multiplies."""

    def embed(self, nodes: Nodes, ids: str) -> Part:
        """Adds the lookup of the word vectors of `int32 [...]`."""
        ...

    def multiply(
        self, nodes: Nodes, parts: Sequence[Part], kernel: Array, bias: Array | None = None
    ) -> str:
        """Adds a product of the parts side by side with `float32 [X, Y]`: `float32 [..., Y]`."""
        ...


class Float32Products:
    """Products in float32."""

    def __init__(self, embedding: Array) -> None:
        """Takes the word vectors, `float32 [V, E]`."""
        self._embedding = embedding

    def embed(self, nodes: Nodes, ids: str) -> Part:
        """As in `Products`."""
        table = nodes.constant(self._embedding)
        return Part(nodes.add("Gather", [table, ids]), self._embedding.shape[1])

    def multiply(
        self, nodes: Nodes, parts: Sequence[Part], kernel: Array, bias: Array | None = None
    ) -> str:
        """As in `Products`."""
        joined = nodes.join([part.name for part in parts])
        product = nodes.add("MatMul", [joined, nodes.constant(kernel)])
        return product if bias is None else nodes.add("Add", [product, nodes.constant(bias)])


class Int8Products:
    """Products of uint8 by int8, added up in int32."""

    def __init__(self, embedding: Array) -> None:
        """Takes the word vectors, `float32 [V, E]`."""
        largest = np.maximum(np.abs(embedding).max(axis=1, keepdims=True), LEAST)
        self._scales = largest.astype(np.float32)
        steps = np.rint(embedding / largest * ACTIVATIONS) + (ACTIVATIONS + 1)
        self._embedding = steps.astype(np.uint8)

    def embed(self, nodes: Nodes, ids: str) -> Part:
        """As in `Products`."""
        vectors = nodes.add("Gather", [nodes.constant(self._embedding), ids])
        scales = nodes.add("Gather", [nodes.constant(self._scales), ids])
        return Part(vectors, self._embedding.shape[1], scale=scales)

    def multiply(
        self, nodes: Nodes, parts: Sequence[Part], kernel: Array, bias: Array | None = None
    ) -> str:
        """As in `Products`."""
        begins = np.cumsum([0, *(part.size for part in parts)])
        total = ""
        for part, (begin, end) in zip(parts, itertools.pairwise(begins)):
            steps, scale = (part.name, part.scale) if part.scale else _quantise(nodes, part.name)
            product = _multiply_steps(nodes, steps, kernel[begin:end])
            term = nodes.add("Mul", [product, scale])
            total = nodes.add("Add", [total, term]) if total else term
        return total if bias is None else nodes.add("Add", [total, nodes.constant(bias)])


def _quantise(nodes: Nodes, name: str) -> tuple[str, str]:
    """Adds what turns rows into steps, uint8 around `ACTIVATIONS` + 1; returns steps and scales."""
    largest = nodes.add("ReduceMax", [nodes.add("Abs", [name])], axes=[-1], keepdims=1)
    scale = nodes.add("Max", [largest, nodes.constant(np.float32(LEAST))])
    step = nodes.constant(np.float32(1 / ACTIVATIONS))
    given = [nodes.add("Div", [name, scale]), step, nodes.constant(np.uint8(ACTIVATIONS + 1))]
    return nodes.add("QuantizeLinear", given), scale


def _multiply_steps(nodes: Nodes, steps: str, kernel: Array) -> str:
    """Adds the product of steps, as `_quantise` makes them, with a kernel."""
    largest = np.maximum(np.abs(kernel).max(axis=0), LEAST)
    given: list[Any] = [
        np.rint(kernel / largest * WEIGHTS).astype(np.int8),
        np.float32(1 / ACTIVATIONS),
        (largest / WEIGHTS).astype(np.float32),
        np.uint8(ACTIVATIONS + 1),
        np.zeros(kernel.shape[1], np.int8),
    ]
    inputs = [steps, *map(nodes.constant, given)]
    return nodes.add("MatMulIntegerToFloat", inputs, domain="com.microsoft")
