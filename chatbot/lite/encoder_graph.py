"""The encoder as an ONNX graph: a scan over the steps for each layer."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chatbot.lite.cell_nodes import advance, order_gates
from chatbot.lite.nodes import Nodes, describe
from chatbot.lite.products import Part, Products
from chatbot.lite.score_nodes import describe_memory, prepare_memory
from chatbot.lite.weights import CellWeights, Weights


def make_encoder(weights: Weights, products: Products) -> Any:
    """Makes the graph "encoder" of `chatbot.lite.writing`."""
    nodes, units = Nodes(), weights.units
    steps = nodes.add("Transpose", ["query_ids"], perm=[1, 0])
    alive = _mask_steps(nodes, steps)
    part = products.embed(nodes, steps)
    hiddens, carries = [], []
    for place, cells in enumerate(weights.encoder):
        given = Layer(cells, part, alive, place)
        name, hidden, carry = _run_layer(nodes, products, given)
        if weights.residual and place:
            name = nodes.add("Add", [name, part.name])
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


class Layer(NamedTuple):
    """A layer, and what it reads.

    Attributes:
        cells: Its weights in each direction.
        part: Its inputs, `[S, B, X]`.
        alive: Which of them are not padding.
        place: Its number.
    """

    cells: list[CellWeights]
    part: Part
    alive: str
    place: int


def _run_layer(nodes: Nodes, products: Products, layer: Layer) -> list[str]:
    """Adds a layer; returns its outputs `[S, B, U]`, last hidden state and carry `[B, U]`."""
    found = []
    for backwards, cell in enumerate(layer.cells):
        part, name = layer.part, f"layer_{layer.place}_{backwards}"
        if backwards:
            scale = part.scale and _turn(nodes, part.scale)
            part = Part(_turn(nodes, part.name), part.size, scale)
        outputs, *state = _run_direction(nodes, products, cell, part, layer.alive, name)
        found.append([_turn(nodes, outputs) if backwards else outputs, *state])
    return [nodes.join(parts) for parts in zip(*found)]


def _turn(nodes: Nodes, steps: str) -> str:
    """Adds what turns the real part of each sequence `[S, B, ...]` round."""
    lengths = nodes.cast("query_lengths", np.int64)
    return nodes.add("ReverseSequence", [steps, lengths], time_axis=0, batch_axis=1)


def _run_direction(
    nodes: Nodes, products: Products, layer: CellWeights, part: Part, alive: str, name: str
) -> tuple[str, str, str]:
    """Adds a direction of a layer; as `_run_layer`, of its own units."""
    units = len(layer.recurrent_kernel)
    kernel, bias = (order_gates(layer.cell, x) for x in (layer.kernel, layer.bias))
    gates = products.multiply(nodes, [part], kernel, bias)
    rows = nodes.add("Shape", [gates], start=1, end=2)
    shape = nodes.join([rows, nodes.constant(np.array([units]))], axis=0)
    zeros = nodes.add("Expand", [nodes.constant(np.float32(0)), shape])
    step = _make_layer_step(products, layer, name)
    hidden, carry, outputs = nodes.add_many(
        "Scan", [zeros, zeros, gates, alive], 3, num_scan_inputs=2, body=step
    )
    return outputs, hidden, carry


def _make_layer_step(products: Products, layer: CellWeights, name: str) -> Any:
    """Makes a step of a layer; on padding the state stays as it is."""
    units = len(layer.recurrent_kernel)
    nodes = Nodes(f"{name}_")
    names = [f"{nodes.prefix}{part}" for part in ("hidden", "carry", "gates", "alive")]
    hidden, carry, gates, alive = names
    given = [Part(hidden, units)]
    kernel = order_gates(layer.cell, layer.recurrent_kernel)
    total = nodes.add("Add", [gates, products.multiply(nodes, given, kernel)])
    output, following = advance(nodes, layer.cell, total, carry, units)
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
    return nodes.finish(name, inputs, outputs)
