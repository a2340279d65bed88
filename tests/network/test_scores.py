"""Every attention against its formula, in training and in replies."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.errors import ChatbotError
from chatbot.network.inference import InferenceNetwork
from chatbot.network.scores import SCORES
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search import BeamSearch, ForcedPass
from chatbot.settings.choices import ATTENTIONS
from chatbot.settings.config import ModelConfig
from tests.conftest import QUERIES, REPLIES, Pairs, V, make_config, make_pairs, pad, randomise
from tests.lite_searches import LiteBeam
from tests.oracles import Network, assert_gradients, list_variables
from tests.search.oracles import (
    count_replies,
    search_exhaustively,
    search_greedily,
    search_with_beam,
)
from tests.search.test_search import assert_same, read_row

SIZES = {"attention_heads": 2, "attention_window": 1, "dropout": 0.0}
SEED = 21


@functools.cache
def find_scored(attention: str, squashes: bool = False) -> Seq2Seq:
    """A model with random weights for each kind; leave them alone."""
    model = Seq2Seq(make_config(attention, attention_tanh=squashes, **SIZES), V)
    randomise(list_variables(model), SEED, scale=0.8)
    return model


KINDS = [(kind, False) for kind in ATTENTIONS] + [("luong", True), ("multi_head", True)]
EACH_KIND = pytest.mark.parametrize(
    "scored", KINDS, ids=[f"{kind}{'-tanh' * squashes}" for kind, squashes in KINDS], indirect=True
)


@pytest.fixture
def scored(request: pytest.FixtureRequest) -> Seq2Seq:
    return find_scored(*request.param)


def test_every_choice_has_a_class_and_every_class_a_choice() -> None:
    assert set(SCORES) == set(ATTENTIONS)
    assert len(ATTENTIONS) == len(SCORES)


def test_heads_must_share_the_units_evenly_where_there_are_heads() -> None:
    said = r"^--attention_heads=3 does not divide --rnn_size=8; change one of them$"
    with pytest.raises(ChatbotError, match=said):
        ModelConfig(rnn_size=8, attention="multi_head", attention_heads=3)
    ModelConfig(rnn_size=8, attention="luong", attention_heads=3)


@EACH_KIND
def test_losses_and_alignments_equal_the_formulas(scored: Seq2Seq, pairs: Pairs) -> None:
    network = Network(scored)
    rows = [network.token_losses(query, reply) for query, reply in zip(QUERIES, REPLIES)]
    losses = scored.token_log_losses(*pairs)
    np.testing.assert_allclose(losses, np.concatenate(rows), atol=5e-5)
    ids = pairs.reply_ids[:, tf.newaxis]
    lengths = pairs.reply_lengths[:, tf.newaxis] - 1
    forced = ForcedPass(InferenceNetwork(scored))(*pairs[:2], ids, lengths)
    for row, (query, reply) in enumerate(zip(QUERIES, REPLIES)):
        np.testing.assert_allclose(forced.log_probs[row, 0, : len(reply)], -rows[row], atol=5e-5)
        expected = network.look(query, reply)
        found = forced.alignments[row, 0]
        np.testing.assert_allclose(found[: len(reply), ..., : len(query)], expected, atol=1e-5)
        assert np.all(found[: len(reply), ..., len(query) :] == 0.0)
        assert np.all(found[len(reply) :] == 0.0)


@EACH_KIND
def test_gradients_equal_finite_differences_of_the_formulas(scored: Seq2Seq, pairs: Pairs) -> None:
    def measure() -> float:
        network = Network(scored)
        rows = [network.token_losses(query, reply) for query, reply in zip(QUERIES, REPLIES)]
        return float(np.concatenate(rows).mean())

    variables = list_variables(scored)
    with tf.GradientTape() as tape:
        loss = scored.loss(*pairs)
    gradients = [tf.convert_to_tensor(x).numpy() for x in tape.gradient(loss, variables)]
    assert all(np.abs(gradient).max() > 1e-7 for gradient in gradients)
    generator = np.random.default_rng(3)
    assert_gradients(variables, gradients, measure, generator, rel=2e-3, absolute=2e-7)


@pytest.mark.parametrize("kind", ["coverage", "multi_head"])
def test_gradients_in_a_graph_equal_eager_ones(kind: str, pairs: Pairs) -> None:
    scored = find_scored(kind)
    variables = list_variables(scored)

    def differentiate() -> list[Any]:
        with tf.GradientTape() as tape:
            loss = scored.loss(*pairs)
        return [tf.convert_to_tensor(x) for x in tape.gradient(loss, variables)]

    traced = tf.function(differentiate, autograph=False)()
    for variable, mine, eager in zip(variables, traced, differentiate()):
        np.testing.assert_allclose(mine, eager, rtol=1e-4, atol=1e-6, err_msg=variable.name)


@pytest.mark.needs_bfloat16
@EACH_KIND
def test_bfloat16_is_near(scored: Seq2Seq, pairs: Pairs) -> None:
    small = Seq2Seq(scored.config, V, precision="bfloat16")
    for variable, other in zip(list_variables(small), list_variables(scored)):
        variable.assign(other)
    with tf.GradientTape() as tape:
        losses = small.token_log_losses(*pairs)
    np.testing.assert_allclose(losses, scored.token_log_losses(*pairs), atol=0.25)
    gradients = tape.gradient(losses, list_variables(small))
    assert all(np.isfinite(tf.convert_to_tensor(x)).all() for x in gradients)
    given = pairs.reply_ids[:, tf.newaxis], pairs.reply_lengths[:, tf.newaxis] - 1
    exact, coarse = (
        ForcedPass(InferenceNetwork(small, name))(*pairs[:2], *given)
        for name in ("float32", "bfloat16")
    )
    np.testing.assert_allclose(coarse.log_probs, exact.log_probs, atol=0.25)


@EACH_KIND
def test_searches_find_what_the_formulas_find(scored: Seq2Seq, pairs: Pairs) -> None:
    network, inference = Network(scored), InferenceNetwork(scored)
    for search in (BeamSearch(inference), LiteBeam(inference)):
        greedy, beam = (search(*pairs[:2], 5, 1.0, width) for width in (1, 3))
        everything = search(*pairs[:2], 2, 1.0, count_replies(2, V))
        for row, query in enumerate(QUERIES):
            advance = network.stepper(query)
            words, log_prob = search_greedily(advance, 5)
            assert_same(read_row(greedy, row), {words: log_prob}, atol=1e-4)
            assert_same(read_row(beam, row), search_with_beam(advance, 5, 3), atol=1e-4)
            assert_same(read_row(everything, row), search_exhaustively(advance, 2, V), atol=2e-4)


def assert_alone_as_in_a_batch(model: Any, rows: Sequence[Any]) -> None:
    """Compares losses and beams of pairs (query, reply) alone with those in one padded batch."""
    pairs = make_pairs(*zip(*rows))
    losses = np.split(model.token_log_losses(*pairs), np.cumsum(pairs.reply_lengths)[:-1])
    search = BeamSearch(InferenceNetwork(model))
    together = search(*pairs[:2], 5, 1.0, 4)
    for row, (query, reply) in enumerate(rows):
        alone = model.token_log_losses(*make_pairs([query], [reply]))
        np.testing.assert_allclose(losses[row], alone, rtol=1e-4, atol=1e-5)
        found = read_row(search(*pad([query]), 5, 1.0, 4), 0)
        assert_same(found, read_row(together, row), atol=1e-4)


@EACH_KIND
def test_a_pair_alone_has_what_it_has_in_a_padded_batch(scored: Seq2Seq) -> None:
    assert_alone_as_in_a_batch(scored, [*zip(QUERIES, REPLIES)])


@EACH_KIND
def test_a_saved_and_restored_model_has_the_same_losses(
    scored: Seq2Seq, pairs: Pairs, tmp_path: Path
) -> None:
    saved = tf.train.Checkpoint(model=scored).write(str(tmp_path / "saved"))
    restored = Seq2Seq(scored.config, V, seed=99)
    tf.train.Checkpoint(model=restored).read(saved).assert_consumed()
    np.testing.assert_array_equal(
        restored.token_log_losses(*pairs), scored.token_log_losses(*pairs)
    )


def test_the_loss_for_looking_twice_is_in_the_gradient_alone(pairs: Pairs) -> None:
    scored, weight = find_scored("coverage"), 0.7
    variables = list_variables(scored)
    found, gradients = [], []
    for given in (0.0, weight):
        with tf.GradientTape() as tape:
            found.append(scored.token_log_losses(*pairs, coverage_loss=given))
        gradients.append([tf.convert_to_tensor(x) for x in tape.gradient(found[-1], variables)])
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)

    def measure() -> float:
        """See et al.'s equation 12 in loops over the formula's weights."""
        network, total = Network(scored), 0.0
        for query, reply in zip(QUERIES, REPLIES):
            seen = np.zeros(len(query))
            for look in network.look(query, reply):
                total += weight * np.minimum(look, seen).sum()
                seen = seen + look
        return float(total)

    own = [(gradient - plain).numpy() for plain, gradient in zip(*gradients)]
    generator = np.random.default_rng(4)
    # A wider move would cross the minimum's bend.
    assert_gradients(variables, own, measure, generator, width=1e-4, rel=2e-3, absolute=1e-9)
