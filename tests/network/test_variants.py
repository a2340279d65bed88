"""Other encoders and cells than the default, alone and all at once, against the NumPy oracle."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.engines.choice import choose_engine
from chatbot.errors import ChatbotError
from chatbot.network.dropout import DECODER_WEIGHT_STREAM, ENCODER_WEIGHT_STREAM, draw_mask
from chatbot.network.inference import InferenceNetwork
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search import BeamSearch
from chatbot.settings.config import ModelConfig
from tests.conftest import (
    IDS,
    LENGTHS,
    QUERIES,
    REPLIES,
    Pairs,
    S,
    T,
    V,
    make_config,
    make_pairs,
    randomise,
)
from tests.network.test_dropout import SEED, draw_all_masks
from tests.oracles import Network, list_variables
from tests.search.oracles import search_greedily, search_with_beam
from tests.trainings import assert_same_weights, stop_after_step, tiny_settings, train, write_pairs

VARIANTS: dict[str, dict[str, Any]] = {
    "gru": {"cell": "gru"},
    "layer_norm": {"layer_norm": True},
    "bidirectional": {"bidirectional": True},
    "residual": {"residual": True},
    "self_attention": {"self_attention": 2, "attention_heads": 4},
}
VARIANTS["all"] = {name: value for own in VARIANTS.values() for name, value in own.items()}
VARIANTS["lstm, all else"] = {**VARIANTS["all"], "cell": "lstm"}
EACH = pytest.mark.parametrize("name", VARIANTS)


@functools.cache
def find_variant(name: str, attention: str = "luong") -> Seq2Seq:
    """Leave its weights alone."""
    settings = VARIANTS[name]
    if attention == "none":
        settings = {key: value for key, value in settings.items() if key != "self_attention"}
    model = Seq2Seq(make_config(attention, **settings), V)
    randomise(list_variables(model), seed=7, scale=0.7)
    return model


def sum_losses(model: Seq2Seq) -> float:
    """The oracle's sum over all pairs, under dropout."""
    network = Network(model)
    return float(
        sum(
            network.token_losses(*pair, draw_all_masks(model.config, row)).sum()
            for row, pair in enumerate(zip(QUERIES, REPLIES))
        )
    )


@EACH
def test_losses_under_dropout_equal_the_oracle(name: str, pairs: Pairs) -> None:
    model = find_variant(name)
    losses = model.token_log_losses(*pairs, SEED)
    assert float(tf.reduce_sum(losses)) == pytest.approx(sum_losses(model), abs=1e-3)


@pytest.mark.parametrize("name", ["gru", "lstm, all else", "all"])
def test_gradients_are_the_oracles_differences(name: str, pairs: Pairs) -> None:
    model = find_variant(name)
    variables = model.trainable_variables

    def compute(*given: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model.token_log_losses(*Pairs(*given), SEED))
        return [tf.convert_to_tensor(x) for x in tape.gradient(loss, variables)]

    signature = (IDS, LENGTHS, IDS, LENGTHS)
    gradients = tf.function(compute, input_signature=signature, autograph=False)(*pairs)
    generator = np.random.default_rng(1)
    for variable, gradient in zip(variables, gradients):
        before = variable.numpy()
        # Along the gradient a difference is largest; a random part finds what it leaves out.
        direction = gradient.numpy() / (np.linalg.norm(gradient) + 1e-12)
        direction += generator.normal(size=before.shape) / np.sqrt(before.size)
        reached = []
        for size in (1e-3, -1e-3):
            variable.assign(before + size * direction)
            moved = variable.numpy().astype(np.float64) - before
            reached.append((sum_losses(model), np.sum(moved * gradient)))
        variable.assign(before)
        (up, along_up), (down, along_down) = reached
        assert up - down == pytest.approx(along_up - along_down, rel=5e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "attention"), [*((name, "luong") for name in VARIANTS), ("all", "none")]
)
def test_searches_reply_as_the_oracle_does(name: str, attention: str, pairs: Pairs) -> None:
    model = find_variant(name, attention)
    network, search = Network(model), BeamSearch(InferenceNetwork(model))
    search = tf.function(search, autograph=False)
    (greedy, wide) = (search(*pairs[:2], 3, 1.0, tf.constant(width)) for width in (1, 3))
    for row, query in enumerate(QUERIES):
        words, log_prob = search_greedily(network.stepper(query), 3)
        assert greedy.log_probs[row, 0].numpy() == pytest.approx(log_prob, abs=1e-4)
        assert tuple(greedy.ids[row, 0].numpy()[: greedy.lengths[row, 0]]) == tuple(words)
        expected = search_with_beam(network.stepper(query), 3, 3)
        found = {
            tuple(ids[:length].tolist()): log_prob
            for ids, length, log_prob in zip(*(x[row].numpy() for x in wide[:3]))
        }
        assert found == pytest.approx(expected, abs=1e-4)


@EACH
def test_pair_alone_has_the_losses_it_has_in_a_padded_batch(name: str, pairs: Pairs) -> None:
    model = find_variant(name)
    losses = model.token_log_losses(*pairs)
    real = tf.sequence_mask(pairs.query_lengths, S)
    padded = pairs._replace(query_ids=tf.where(real, pairs.query_ids, 9))
    np.testing.assert_array_equal(model.token_log_losses(*padded), losses)
    together = np.split(losses, np.cumsum(pairs.reply_lengths)[:-1])
    for row, pair in enumerate(zip(QUERIES, REPLIES)):
        alone = model.token_log_losses(*make_pairs(*([side] for side in pair)))
        np.testing.assert_allclose(together[row], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.needs_addons
@pytest.mark.parametrize("name", ["bidirectional", "residual", "self_attention"])
def test_the_library_runs_what_needs_no_cell_of_its_own(name: str, pairs: Pairs) -> None:
    config = make_config("luong", **VARIANTS[name], weight_drop=0.5)
    own, other = Seq2Seq(config, V), Seq2Seq(config, V)
    other.engine = choose_engine("addons")
    expected = own.token_log_losses(*pairs, SEED)
    np.testing.assert_allclose(other.token_log_losses(*pairs, SEED), expected, atol=1e-5)


@pytest.mark.needs_bfloat16
def test_bfloat16_products_come_close(pairs: Pairs) -> None:
    exact, small = (Seq2Seq(make_config("luong", **VARIANTS["all"]), V, 1, x) for x in PRECISIONS)
    expected = exact.token_log_losses(*pairs)
    with tf.GradientTape() as tape:
        losses = small.token_log_losses(*pairs)
    np.testing.assert_allclose(losses, expected, atol=0.05)
    for gradient in tape.gradient(losses, small.trainable_variables):
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()
    replies = InferenceNetwork(small, "bfloat16")
    state, precise = (x.start(*pairs[:2])[1] for x in (replies, InferenceNetwork(exact)))
    np.testing.assert_allclose(state, precise, atol=0.05)


PRECISIONS = ("float32", "bfloat16")


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_weight_drop_is_one_mask_a_batch_on_each_recurrent_kernel(cell: str, pairs: Pairs) -> None:
    settings = {"cell": cell, "bidirectional": True, "dropout": 0.0}
    model = Seq2Seq(make_config("luong", **settings, weight_drop=0.5), V)
    plain = Seq2Seq(make_config("luong", **settings), V)
    for mine, other in zip(plain.trainable_variables, model.trainable_variables):
        mine.assign(other)
    undropped = plain.token_log_losses(*pairs)
    np.testing.assert_array_equal(model.token_log_losses(*pairs), undropped)
    streams = [ENCODER_WEIGHT_STREAM + place for place in range(4)]
    streams += [DECODER_WEIGHT_STREAM + place for place in range(2)]
    for layer, stream in zip([*plain.encoder.layers, *plain.decoder.layers], streams, strict=True):
        kernel = layer.recurrent_kernel
        kernel.assign(kernel * draw_mask(SEED, stream, kernel.shape, 0.5, tf.float32))
    dropped = model.token_log_losses(*pairs, SEED)
    np.testing.assert_allclose(dropped, plain.token_log_losses(*pairs), atol=1e-5)
    assert np.all(np.abs(dropped - undropped) > 1e-5)


def test_training_resumed_is_training_uninterrupted_and_replies_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny_settings(
        write_pairs(tmp_path / "pairs.tsv"),
        **{
            **VARIANTS["all"],
            "self_attention": 1,
            "num_layers": 2,
            "weight_drop": 0.3,
            "sampling_probability": 0.5,
        },
    )
    assert train(tmp_path / "whole", **settings) == 0
    with monkeypatch.context() as patch:
        stop_after_step(patch, 5)
        train(tmp_path / "cut", **settings)
    assert train(tmp_path / "cut", **settings) == 0
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bidirectional": True, "rnn_size": 7}, "needs an even --rnn_size"),
        ({"self_attention": 1, "use_attention": False}, "give both or neither"),
        ({"self_attention": 1, "rnn_size": 9}, "--attention_heads=8 does not divide"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ChatbotError, match=message):
        ModelConfig(**changes)


def test_self_attention_is_over_real_tokens_and_keeps_the_type() -> None:
    attention = find_variant("self_attention").encoder.self_attention[0]
    memory = tf.random.stateless_normal([2, S, 8], [1, 2])
    lengths = tf.constant([S, 2])
    changed = tf.concat([memory[:, :2], memory[:, 2:] + 5.0], axis=1)
    one, other = (attention(x, lengths)[1, :2] for x in (memory, changed))
    np.testing.assert_array_equal(one, other)
    assert attention(tf.cast(memory, tf.bfloat16), lengths).dtype == tf.bfloat16
    assert T < S
