"""One step of the attending decoder as an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from chatbot.lite.cell_nodes import advance, order_gates
from chatbot.lite.nodes import Nodes, describe
from chatbot.lite.products import Part, Products
from chatbot.lite.score_nodes import attend, describe_alignments, describe_memory
from chatbot.lite.weights import Weights


def make_step(weights: Weights, products: Products) -> Any:
    """Makes the graph "step" of `chatbot.lite.writing`."""
    nodes, units, attention = Nodes(), weights.units, weights.attention
    state = describe("state", np.float32, ["R", weights.state_size])
    inputs, outputs = [describe("last_ids", np.int32, "R"), state], {}
    fed, hiddens, carries = _split_state(nodes, weights)
    top = _run_layers(nodes, products, weights, fed, hiddens, carries)
    output, first = Part(top, units), []
    if attention is not None:
        name, alignments = attend(nodes, products, attention, output)
        output, first = Part(name, units), [name]
        outputs = {alignments: describe("alignments", np.float32, describe_alignments(attention))}
        for memory in ("memory", "keys"):
            inputs.append(describe(memory, np.float32, describe_memory(attention, units)))
        inputs.append(describe("padding", np.float32, ["B", 1, "S"]))
    logits = products.multiply(nodes, [output], weights.projection, weights.bias)
    following = nodes.join([*first, *hiddens, *carries])
    outputs = {
        logits: describe("logits", np.float32, ["R", len(weights.bias)]),
        following: describe("next_state", np.float32, ["R", weights.state_size]),
        **outputs,
    }
    return nodes.finish("step", inputs, outputs)


def _split_state(nodes: Nodes, weights: Weights) -> tuple[list[Part], list[str], list[str]]:
    """Adds the state's parts: the last attention, if there is one, hidden states and carries."""
    units, layers = weights.units, len(weights.decoder)
    parts = nodes.split("state", [units] * (weights.state_size // units))
    fed = [] if weights.attention is None else [Part(parts.pop(0), units)]
    return fed, parts[:layers], parts[layers:]


def _run_layers(
    nodes: Nodes,
    products: Products,
    weights: Weights,
    fed: list[Part],
    hiddens: list[str],
    carries: list[str],
) -> str:
    """Adds the layers, whose states `[R, U]` take the places of those before.

    Returns:
        The top layer's output `[R, U]`.
    """
    units, output, below = weights.units, "", ""
    parts = [products.embed(nodes, "last_ids"), *fed, Part(hiddens[0], units)]
    for place, layer in enumerate(weights.decoder):
        kernel = np.concatenate([layer.kernel, layer.recurrent_kernel])
        given = (order_gates(layer.cell, x) for x in (kernel, layer.bias))
        gates = products.multiply(nodes, parts, *given)
        hiddens[place], carries[place] = advance(nodes, layer.cell, gates, carries[place], units)
        output = nodes.add("Add", [hiddens[place], below]) if below else hiddens[place]
        below = output if weights.residual else ""
        parts = [Part(nodes.join([output, *hiddens[place + 1 : place + 2]]), 2 * units)]
    return output
