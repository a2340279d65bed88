"""The encoder as an ONNX graph: a scan over the steps for each layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from chatbot.lite.lstm_nodes import advance_lstm, order_gates
from chatbot.lite.nodes import Nodes, describe
from chatbot.lite.products import Part, Products
from chatbot.lite.score_nodes import describe_memory, prepare_memory
from chatbot.lite.weights import LSTMWeights, Weights


def make_encoder(weights: Weights, products: Products) -> Any:
    """Makes the graph "encoder" of `chatbot.lite.writing`."""
    nodes, units = Nodes(), weights.units
    steps = nodes.add("Transpose", ["query_ids"], perm=[1, 0])
    alive = _mask_steps(nodes, steps)
    part = products.embed(nodes, steps)
    hiddens, carries = [], []
    for place, layer in enumerate(weights.encoder):
        name, hidden, carry = _run_layer(nodes, products, layer, part, alive, place)
        part = Part(name, units)
        hiddens.append(hidden)
        carries.append(carry)
    first, attended = [], {}
    if weights.attention is not None:
        first = [nodes.add("Sub", [hiddens[0], hiddens[0]])]  # the first attention is 0
        memory = nodes.add("Transpose", [part.name], perm=[1, 0, 2])
        values, keys = prepare_memory(nodes, products, weights.attention, Part(memory, units))
        shape = describe_memory(weights.attention, units)
        attended = {
            values: describe("memory", np.float32, shape),
            keys: describe("keys", np.float32, shape),
        }
    state = nodes.join([*first, *hiddens, *carries])
    outputs = {state: describe("state", np.float32, ["B", weights.state_size]), **attended}
    queries = [describe("query_ids", np.int32, "BS"), describe("query_lengths", np.int32, "B")]
    return nodes.finish("encoder", queries, outputs)


def _mask_steps(nodes: Nodes, steps: str) -> str:
    """Adds which of the steps `[S, B]` are not padding, `bool [S, B, 1]`."""
    count = nodes.add("Squeeze", [nodes.add("Shape", [steps], start=0, end=1)])
    zero, one = nodes.constant(np.int64(0)), nodes.constant(np.int64(1))
    times = nodes.reshape(nodes.add("Range", [zero, count, one]), [-1, 1])
    lengths = nodes.cast("query_lengths", np.int64)
    return nodes.unsqueeze(nodes.add("Less", [times, lengths]), 2)


def _run_layer(
    nodes: Nodes, products: Products, layer: LSTMWeights, part: Part, alive: str, place: int
) -> tuple[str, str, str]:
    """Adds a layer; returns its outputs `[S, B, U]`, last hidden state and carry `[B, U]`."""
    units = len(layer.recurrent_kernel)
    gates = products.multiply(nodes, [part], order_gates(layer.kernel), order_gates(layer.bias))
    rows = nodes.add("Shape", [gates], start=1, end=2)
    shape = nodes.join([rows, nodes.constant(np.array([units]))], axis=0)
    zeros = nodes.add("Expand", [nodes.constant(np.float32(0)), shape])
    step = _make_layer_step(products, layer, place)
    hidden, carry, outputs = nodes.add_many(
        "Scan", [zeros, zeros, gates, alive], 3, num_scan_inputs=2, body=step
    )
    return outputs, hidden, carry


def _make_layer_step(products: Products, layer: LSTMWeights, place: int) -> Any:
    """Makes a step of a layer; on padding the state stays as it is."""
    units = len(layer.recurrent_kernel)
    nodes = Nodes(f"layer_{place}_")
    names = [f"{nodes.prefix}{name}" for name in ("hidden", "carry", "gates", "alive")]
    hidden, carry, gates, alive = names
    given = [Part(hidden, units)]
    product = products.multiply(nodes, given, order_gates(layer.recurrent_kernel))
    output, following = advance_lstm(nodes, nodes.add("Add", [gates, product]), carry, units)
    last = nodes.add("Where", [alive, output, hidden])
    last_carry = nodes.add("Where", [alive, following, carry])
    row: list[int | str] = ["B", units]
    inputs = [
        describe(hidden, np.float32, row),
        describe(carry, np.float32, row),
        describe(gates, np.float32, ["B", 4 * units]),
        describe(alive, np.bool_, ["B", 1]),
    ]
    outputs = {
        last: describe(f"{nodes.prefix}next_hidden", np.float32, row),
        last_carry: describe(f"{nodes.prefix}next_carry", np.float32, row),
        output: describe(f"{nodes.prefix}output", np.float32, row),
    }
    return nodes.finish(f"layer_{place}", inputs, outputs)
