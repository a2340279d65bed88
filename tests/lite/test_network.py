"""The graphs against the network they are written from, and int8 products against integers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from chatbot.engines.conversion import take_weights
from chatbot.lite.forms import SCORES, find_missing_form
from chatbot.lite.network import OnnxNetwork
from chatbot.lite.nodes import Nodes, describe, write_model
from chatbot.lite.products import Int8Products, Part
from chatbot.lite.writing import PRODUCTS, write_graphs
from chatbot.network.inference import InferenceNetwork
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings import choices
from chatbot.settings.config import ModelConfig
from tests.conftest import ATTENTIONS, L, U, V, make_config, make_model, pad, randomise
from tests.oracles import list_variables

QUERIES = [[5, 6, 7], [8], [6, 5, 9, 10, 7]]
PREFIXES = [[1, 6, 7], [1, 9, 5], [1, 5, 5]]
"""Three tokens after which the decoder has attended and fed its attention back."""


def walk(network: Any, queries: Sequence[Sequence[int]], width: int = 1) -> list[list[Any]]:
    """Logits, state and alignments of each step through `PREFIXES`, `width` rows a query."""
    ids, lengths = (np.asarray(x) for x in pad(queries))
    attended, state = network.start(ids, lengths)
    state, found = np.repeat(state, width, axis=0), []
    for time in range(3):
        last_ids = np.repeat([prefix[time] for prefix in PREFIXES[: len(queries)]], width)
        logits, state, alignments = network.advance(last_ids.astype(np.int32), attended, state)
        found.append([logits, state, alignments])
    return found


def walk_in_tensorflow(model: Seq2Seq, queries: Sequence[Sequence[int]]) -> list[list[Any]]:
    network = InferenceNetwork(model)
    ids, lengths = pad(queries)
    attended, state = network.start(ids, lengths)
    found = []
    for time in range(3):
        last_ids = tf.constant([prefix[time] for prefix in PREFIXES[: len(queries)]])
        outputs, state, alignments = network.advance(last_ids, attended, state)
        logits = network.project(outputs)[:, : network.vocab_size]
        found.append([logits, state, alignments])
    return found


def open_network(model: Seq2Seq, precision: str) -> OnnxNetwork:
    return OnnxNetwork(write_graphs(take_weights(model), precision))


def assert_close(found: Any, expected: Any, tolerance: float) -> None:
    for step, same in zip(found, expected):
        for one, other in zip(step, same):
            assert (one is None) == (other is None)
            if one is not None:
                np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def test_every_step_is_that_of_the_network_in_tensorflow(model: Seq2Seq) -> None:
    network = open_network(model, "float32")
    assert network.vocab_size == V
    expected = walk_in_tensorflow(model, QUERIES)
    assert_close(walk(network, QUERIES), expected, 2e-5)
    rows = [[None if x is None else np.repeat(x, 2, axis=0) for x in step] for step in expected]
    assert_close(walk(network, QUERIES, width=2), rows, 2e-5)


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(rnn_size=5, num_layers=1, embedding_size=3),
        ModelConfig(rnn_size=4, num_layers=3, embedding_size=4, attention="bahdanau"),
        ModelConfig(rnn_size=6, num_layers=2, embedding_size=4, tie_embeddings=True),
        ModelConfig(rnn_size=6, num_layers=1, embedding_size=6, use_attention=False),
        ModelConfig(rnn_size=6, num_layers=1, embedding_size=6, attention_tanh=True),
        ModelConfig(rnn_size=6, num_layers=2, embedding_size=4, bidirectional=True),
        ModelConfig(rnn_size=6, num_layers=3, embedding_size=4, residual=True),
        ModelConfig(
            rnn_size=6, embedding_size=4, residual=True, bidirectional=True, use_attention=False
        ),
        ModelConfig(rnn_size=6, num_layers=2, embedding_size=4, cell="gru"),
        ModelConfig(rnn_size=6, embedding_size=4, residual=True, bidirectional=True, cell="gru"),
    ],
    ids=[
        "one",
        "three",
        "tied",
        "bare",
        "tanh",
        "both ways",
        "residual",
        "bare, both ways",
        "gru",
        "gru, both ways",
    ],
)
def test_networks_of_any_shape_can_be_written(config: ModelConfig) -> None:
    model = Seq2Seq(config, V, seed=3)
    randomise(list_variables(model), seed=5)
    assert_close(
        walk(open_network(model, "float32"), QUERIES), walk_in_tensorflow(model, QUERIES), 1e-5
    )


@pytest.mark.parametrize("attention", sorted({*SCORES} - {*ATTENTIONS}))
def test_every_attention_that_has_a_form_can_be_written(attention: str) -> None:
    model = Seq2Seq(make_config(attention, attention_heads=2), V)
    randomise(list_variables(model), seed=5)
    network, expected = open_network(model, "float32"), walk_in_tensorflow(model, QUERIES)
    assert_close(walk(network, QUERIES), expected, 5e-5)
    rows = [[None if x is None else np.repeat(x, 2, axis=0) for x in step] for step in expected]
    assert_close(walk(network, QUERIES, width=2), rows, 5e-5)


def test_forms_are_those_of_attentions() -> None:
    assert {*SCORES} < {*choices.ATTENTIONS}
    for name in choices.ATTENTIONS:
        missing = find_missing_form(ModelConfig(attention=name))
        assert missing == (None if name in SCORES else f"--attention={name}")
    assert find_missing_form(ModelConfig(attention="location", use_attention=False)) is None


@pytest.mark.parametrize("change", [{}, {"cell": "gru"}, {"layer_norm": True}])
@pytest.mark.parametrize("both", [False, True])
def test_forms_are_those_of_cells(change: dict[str, Any], both: bool) -> None:
    config = ModelConfig(bidirectional=both, residual=both, weight_drop=0.5, **change)
    missing = {"layer_norm": "--layer_norm"}
    assert find_missing_form(config) == missing.get("".join(change))
    config = dataclasses.replace(config, self_attention=2)
    assert find_missing_form(config) == missing.get("".join(change), "--self_attention")


@pytest.mark.parametrize(
    "settings",
    [
        *({"attention": name} for name in SCORES),
        {"bidirectional": True, "residual": True},
        {"cell": "gru"},
    ],
    ids=str,
)
def test_int8_is_near_float32(settings: dict[str, Any]) -> None:
    model = Seq2Seq(ModelConfig(rnn_size=64, embedding_size=64, **settings), 500)
    coarse, exact = (open_network(model, precision) for precision in ("int8", "float32"))
    for step, same in zip(walk(coarse, QUERIES), walk(exact, QUERIES)):
        logits, expected = step[0], same[0]
        assert 0.0 < np.abs(logits - expected).max() < 0.04 * np.abs(expected).max()


@pytest.mark.parametrize("precision", PRODUCTS)
def test_a_row_does_not_depend_on_the_others(model: Seq2Seq, precision: str) -> None:
    network = open_network(model, precision)
    together = walk(network, QUERIES)
    for place, query in enumerate(QUERIES):
        ids, lengths = (np.asarray(x) for x in pad([query]))
        attended, state = network.start(ids, lengths)
        for time in range(3):
            last_ids = np.array([PREFIXES[place][time]], np.int32)
            step = network.advance(last_ids, attended, state)
            state = step.state
            np.testing.assert_allclose(
                step.logits[0], together[time][0][place], rtol=1e-5, atol=1e-5
            )


def test_of_some_queries_only_the_part_is_attended_to(find_model: Callable[[str], Seq2Seq]) -> None:
    network = open_network(find_model("bahdanau"), "float32")
    ids, lengths = (np.asarray(x) for x in pad(QUERIES))
    attended, state = network.start(ids, lengths)
    last_ids = np.array([1, 1, 1], np.int32)
    whole = network.advance(last_ids, attended, state)
    some = np.array([2, 0])
    part = network.advance(last_ids[some], network.select(attended, some), state[some])
    np.testing.assert_allclose(part.logits, whole.logits[some], rtol=1e-5)


@pytest.mark.parametrize("count", [1, 3, V])
def test_the_best_are_the_largest_and_the_normalizer_is_a_logsumexp(count: int) -> None:
    network = open_network(make_model("none"), "float32")
    logits = np.random.default_rng(2).normal(0, 30, [4, V]).astype(np.float32)
    logits[1, 3:] = -np.inf
    logits[2, 4] = logits[2, 2] = 200.0  # a tie: the lower token comes first
    values, tokens, normalizer = network.find_best(logits, count)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :count]
    np.testing.assert_array_equal(values, np.take_along_axis(logits, order, axis=1))
    real = values > -np.inf
    np.testing.assert_array_equal(tokens[real], order[real])
    expected = np.log(np.exp(np.float64(logits) - 200).sum(axis=1)) + 200
    np.testing.assert_allclose(normalizer, expected, rtol=1e-5)


def multiply(x: Any, kernel: Any, bias: Any) -> Any:
    """Runs an int8 product alone."""
    nodes = Nodes()
    products = Int8Products(np.zeros([1, 1], np.float32))
    part = Part("x", x.shape[1])
    name = products.multiply(nodes, [part], kernel, bias)
    inputs = [describe("x", np.float32, ["R", x.shape[1]])]
    outputs = {name: describe("y", np.float32, ["R", kernel.shape[1]])}
    graph = write_model(nodes.finish("product", inputs, outputs))
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def test_an_int8_product_is_a_product_of_whole_numbers() -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, [3, 50]).astype(np.float32)
    kernel, bias = (generator.normal(0, 1, s).astype(np.float32) for s in ([50, 8], [8]))
    scale = np.abs(x).max(axis=1, keepdims=True)
    columns = np.abs(kernel).max(axis=0)
    steps, weights = np.rint(x / scale * 127), np.rint(kernel / columns * 63)
    expected = steps @ weights * scale / 127 * columns / 63 + bias
    found = multiply(x, kernel, bias)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found, x @ kernel + bias, atol=0.3)


def test_the_largest_int8_product_of_all_is_exact() -> None:
    """Without VNNI instructions two products at a time are added up in 16 bits."""
    x = np.ones([1, 64], np.float32)
    kernel = np.stack([np.ones(64), -np.ones(64)], axis=1).astype(np.float32)
    bias = np.zeros(2, np.float32)
    np.testing.assert_allclose(multiply(x, kernel, bias), [[64.0, -64.0]], rtol=1e-5)
    np.testing.assert_allclose(multiply(-x, kernel, bias), [[-64.0, 64.0]], rtol=1e-5)


def test_rows_and_columns_of_zeros_stay_zeros() -> None:
    x, kernel = np.zeros([2, 4], np.float32), np.zeros([4, 3], np.float32)
    x[1] = 7.0
    np.testing.assert_array_equal(multiply(x, kernel, np.zeros(3, np.float32)), 0.0)


def test_the_state_is_the_attention_and_every_layers_two_vectors() -> None:
    for attention, vectors in (("luong", 2 * L + 1), ("none", 2 * L)):
        assert take_weights(make_model(attention)).state_size == vectors * U
    assert take_weights(Seq2Seq(make_config("luong"), V)).units == U
