"""The elementwise part of a layer's step, as nodes of an ONNX graph.

`chatbot.network.fast_lstm` and `chatbot.network.fast_gru` have the formulas.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chatbot.lite.nodes import Nodes
from chatbot.lite.weights import Array


def order_gates(cell: str, weights: Array) -> Any:
    """Puts the columns of weights that a sigmoid follows first: an LSTM's as i, f, o, g."""
    if cell == "gru":
        return weights
    i, f, g, o = np.split(weights, 4, axis=-1)
    return np.concatenate([i, f, o, g], axis=-1)


def advance(nodes: Nodes, cell: str, gates: str, carry: str, units: int) -> tuple[str, str]:
    """Adds what follows the products of a step.

    Args:
        nodes: The graph.
        cell: "lstm" or "gru".
        gates: `float32 [R, 4 * U]`, in the order of `order_gates`.
        carry: `float32 [R, U]`.
        units: U.

    Returns:
        The hidden state and the carry, `float32 [R, U]`.
    """
    return CELLS[cell](nodes, gates, carry, units)


def _advance_lstm(nodes: Nodes, gates: str, carry: str, units: int) -> tuple[str, str]:
    sigmoids, g = nodes.split(gates, [3 * units, units])
    i, f, o = nodes.split(nodes.add("Sigmoid", [sigmoids]), [units] * 3)
    kept = nodes.add("Mul", [f, carry])
    added = nodes.add("Mul", [i, nodes.add("Tanh", [g])])
    following = nodes.add("Add", [kept, added])
    return nodes.add("Mul", [o, nodes.add("Tanh", [following])]), following


def _advance_gru(nodes: Nodes, gates: str, carry: str, units: int) -> tuple[str, str]:
    sigmoids, p, q = nodes.split(gates, [2 * units, units, units])
    z, r = nodes.split(nodes.add("Sigmoid", [sigmoids]), [units] * 2)
    n = nodes.add("Tanh", [nodes.add("Add", [p, nodes.add("Mul", [r, q])])])
    kept = nodes.add("Mul", [z, nodes.add("Sub", [carry, n])])
    following = nodes.add("Add", [n, kept])  # z h + (1 - z) n
    return following, following


CELLS = {"lstm": _advance_lstm, "gru": _advance_gru}
"""What adds the step of each `--cell`."""
