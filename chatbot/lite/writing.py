"""Writes a network as ONNX graphs: the encoder, a step of the decoder, and what finds likely words.

Every dimension that a search chooses is free: queries B, their tokens S, hypotheses R (a multiple
of B), words looked for K. The decoder's state is one tensor `float32 [R, X]`: the last attention if
there is one, every layer's hidden state, every layer's carry.

    encoder   query_ids int32 [B, S], query_lengths int32 [B]
              -> state float32 [B, X], memory float32 [B, S, U], keys float32 [B, S, U], both
                 [B, H, S, U / H] with H heads
    step      last_ids int32 [R], state, memory, keys, padding float32 [B, 1, S] (added to scores)
              -> logits float32 [R, V], next_state float32 [R, X], alignments float32 [R, S]
                 or, with H heads, [R, H, S]
    best      logits, count int64 [1]
              -> values float32 [R, K], tokens int64 [R, K], normalizer float32 [R]

Without attention a graph lacks what belongs to it. Inside, the gates are in the order i, f, o, g,
the sigmoids side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chatbot.lite.encoder_graph import make_encoder
from chatbot.lite.nodes import Nodes, describe, write_model
from chatbot.lite.products import Float32Products, Int8Products, Products
from chatbot.lite.step_graph import make_step
from chatbot.lite.weights import Array, Weights

PRODUCTS: dict[str, Callable[[Array], Products]] = {
    "float32": Float32Products,
    "int8": Int8Products,
}
"""{`--reply_precision`: its products}."""


def write_graphs(weights: Weights, precision: str) -> dict[str, bytes]:
    """Writes the graphs of a network.

    Args:
        weights: The network's.
        precision: A key of `PRODUCTS`.

    Returns:
        {file name: bytes}, the names those of `files.NAMES`.
    """
    products = PRODUCTS[precision](weights.embedding)
    graphs = make_encoder(weights, products), make_step(weights, products), _make_best()
    return {f"{graph.name}.onnx": write_model(graph) for graph in graphs}


def _make_best() -> Any:
    nodes = Nodes()
    values, tokens = nodes.add_many("TopK", ["logits", "count"], 2, axis=-1, largest=1, sorted=1)
    probabilities = nodes.add("Softmax", ["logits"], axis=-1)
    # The largest probability is exp(its logit) / denominator, and never too small for a log.
    largest = nodes.add("ReduceMax", [probabilities], axes=[1], keepdims=0)
    first = nodes.add("Gather", [values, nodes.constant(np.int64(0))], axis=1)
    normalizer = nodes.add("Sub", [first, nodes.add("Log", [largest])])
    inputs = [describe("logits", np.float32, "RV"), describe("count", np.int64, [1])]
    outputs = {
        values: describe("values", np.float32, "RK"),
        tokens: describe("tokens", np.int64, "RK"),
        normalizer: describe("normalizer", np.float32, "R"),
    }
    return nodes.finish("best", inputs, outputs)
