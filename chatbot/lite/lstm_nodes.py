"""The elementwise part of an LSTM step, as nodes of an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from chatbot.lite.nodes import Nodes
from chatbot.lite.weights import Array


def order_gates(weights: Array) -> Any:
    """Brings the columns of weights from the order i, f, g, o into i, f, o, g."""
    i, f, g, o = np.split(weights, 4, axis=-1)
    return np.concatenate([i, f, o, g], axis=-1)


def advance_lstm(nodes: Nodes, gates: str, carry: str, units: int) -> tuple[str, str]:
    """Adds what follows the products of a step.

    Args:
        nodes: The graph.
        gates: `float32 [R, 4 * U]`, in the order i, f, o, g.
        carry: `float32 [R, U]`.
        units: U.

    Returns:
        The hidden state and the carry, `float32 [R, U]`.
    """
    sigmoids, g = nodes.split(gates, [3 * units, units])
    i, f, o = nodes.split(nodes.add("Sigmoid", [sigmoids]), [units] * 3)
    kept = nodes.add("Mul", [f, carry])
    added = nodes.add("Mul", [i, nodes.add("Tanh", [g])])
    following = nodes.add("Add", [kept, added])
    return nodes.add("Mul", [o, nodes.add("Tanh", [following])]), following
