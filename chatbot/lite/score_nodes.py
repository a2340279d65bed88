"""The attention as nodes of an ONNX graph: the additive and the multiplicative score, with heads.

The formulas are those of `chatbot.network.scores`. Which of them have a form here is said in
`chatbot.lite.forms`.
"""

from __future__ import annotations

import numpy as np

from chatbot.lite.nodes import Nodes
from chatbot.lite.products import Part, Products
from chatbot.lite.weights import ScoreWeights

LEAST = 1e-6
"""Added to lengths, as in `chatbot.network.scores.cosine`."""


def describe_memory(weights: ScoreWeights, units: int) -> list[int | str]:
    """Returns the shape of memory and keys: `[B, S, U]`, or `[B, H, S, U / H]` with heads."""
    if weights.heads == 1:
        return ["B", "S", units]
    return ["B", weights.heads, "S", units // weights.heads]


def describe_alignments(weights: ScoreWeights) -> list[int | str]:
    """Returns the shape of the alignments: `[R, S]`, or `[R, H, S]` with heads."""
    return ["R", "S"] if weights.heads == 1 else ["R", weights.heads, "S"]


def prepare_memory(
    nodes: Nodes, products: Products, weights: ScoreWeights, memory: Part
) -> tuple[str, str]:
    """Adds what is weighed and the keys of a memory `[B, S, U]`, shaped as described above."""
    given = {"value_layer": nodes.add("Identity", [memory.name]), "memory_layer": memory.name}
    for name in given:
        if name in weights.matrices:
            given[name] = products.multiply(nodes, [memory], weights.matrices[name])
    values, keys = given.values()
    if weights.name == "cosine":
        keys = _normalise(nodes, keys)
    for name, kind in (("scale", "Mul"), ("bias", "Add")):
        if name in weights.shared:
            keys = nodes.add(kind, [keys, nodes.constant(weights.shared[name])])
    if weights.heads == 1:
        return values, keys
    size = memory.size // weights.heads
    split = (nodes.reshape(name, [0, 0, weights.heads, size]) for name in (values, keys))
    values, keys = (nodes.add("Transpose", [name], perm=[0, 2, 1, 3]) for name in split)
    return values, keys


def attend(nodes: Nodes, products: Products, weights: ScoreWeights, query: Part) -> tuple[str, str]:
    """Adds the attention `[R, U]` of a query `[R, U]`, and the alignments `[R, (H), S]`."""
    has_heads = weights.heads > 1
    scores = _score(nodes, products, weights, query)
    padding = nodes.unsqueeze("padding", 1) if has_heads else "padding"
    alignments = nodes.add("Softmax", [nodes.add("Add", [scores, padding])], axis=-1)
    context = nodes.add("MatMul", [alignments, "memory"])
    if has_heads:
        context, alignments = (
            nodes.add("Transpose", [name], perm=[0, 2, 1, 3]) for name in (context, alignments)
        )
    context = nodes.reshape(context, [-1, query.size])
    both = Part(nodes.join([query.name, context]), 2 * query.size)
    attention = products.multiply(nodes, [both], weights.output_kernel)
    if weights.squashes:
        attention = nodes.add("Tanh", [attention])
    tokens = nodes.add("Shape", ["padding"], start=2, end=3)
    rows = np.array([-1, weights.heads] if has_heads else [-1])
    shape = nodes.join([nodes.constant(rows), tokens], axis=0)
    return attention, nodes.add("Reshape", [alignments, shape])


def _score(nodes: Nodes, products: Products, weights: ScoreWeights, query: Part) -> str:
    """Adds the scores `[B, (H), R / B, S]`, each query's hypotheses side by side."""
    name = query.name
    if "query_layer" in weights.matrices:
        name = products.multiply(nodes, [query], weights.matrices["query_layer"])
    if weights.name == "cosine":
        name = _normalise(nodes, name)
    heads = [] if weights.heads == 1 else [weights.heads]
    queries = nodes.add("Shape", ["memory"], start=0, end=1)
    row = np.array([-1, *heads, query.size // weights.heads])
    rows = nodes.add("Reshape", [name, nodes.join([queries, nodes.constant(row)], axis=0)])
    if heads:
        rows = nodes.add("Transpose", [rows], perm=[0, 2, 1, 3])
        return nodes.add("MatMul", [rows, nodes.add("Transpose", ["keys"], perm=[0, 1, 3, 2])])
    if "vector" not in weights.shared:
        return nodes.add("MatMul", [rows, nodes.add("Transpose", ["keys"], perm=[0, 2, 1])])
    inner = nodes.add("Add", [nodes.unsqueeze(rows, 2), nodes.unsqueeze("keys", 1)])
    vector = nodes.constant(weights.shared["vector"][:, np.newaxis])
    scores = nodes.add("MatMul", [nodes.add("Tanh", [inner]), vector])
    return nodes.add("Squeeze", [scores, nodes.constant(np.array([3]))])


def _normalise(nodes: Nodes, name: str) -> str:
    """Adds what divides vectors `[..., U]` by their lengths."""
    squares = nodes.add("ReduceSumSquare", [name], axes=[-1], keepdims=1)
    lengths = nodes.add("Sqrt", [nodes.add("Add", [squares, nodes.constant(np.float32(LEAST**2))])])
    least = nodes.constant(np.float32(LEAST))
    return nodes.add("Div", [name, nodes.add("Add", [lengths, least])])
