from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.engines.choice import choose_engine
from chatbot.network.dropout import (
    DECODER_STREAM,
    OUTPUT_STREAM,
    QUERY_STREAM,
    REPLY_STREAM,
    draw_mask,
    draw_step_masks,
)
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import ModelConfig
from chatbot.text import PAD, SEP, UNK
from tests.conftest import (
    ATTENTIONS,
    EACH_ENGINE,
    QUERIES,
    REPLIES,
    B,
    E,
    L,
    Pairs,
    S,
    T,
    U,
    make_model,
)
from tests.oracles import Masks, Network

SEED = tf.constant([3, 14])


def draw_all_masks(config: ModelConfig, row: int) -> Masks:
    """The masks that one pair of the padded batch should meet, by `draw_mask` alone."""

    def draw(stream: int, steps: int, width: int, rate: float, same: bool = False) -> Any:
        mask = draw_mask(SEED, stream, [B, 1 if same else steps, width], rate, tf.float32)
        return np.broadcast_to(mask, [B, steps, width])[row]

    query, reply = len(QUERIES[row]), len(REPLIES[row])
    layers, same = config.dropout, config.variational_dropout
    return Masks(
        query=draw(QUERY_STREAM, S, E, config.embedding_dropout)[:query],
        encoder=[draw(layer, S, U, layers, same)[:query] for layer in range(L)],
        reply=draw(REPLY_STREAM, T, E, config.embedding_dropout)[:reply],
        decoder=draw(DECODER_STREAM, T, L * U, layers, same).reshape(T, L, U)[:reply],
        output=draw(OUTPUT_STREAM, T, U, config.output_dropout, same)[:reply],
    )


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_mask_drops_the_given_fraction_and_scales_the_rest(rate: float) -> None:
    mask = draw_mask(SEED, 0, [200, 500], rate, tf.float32).numpy()
    np.testing.assert_allclose(np.unique(mask), [0, 1 / (1 - rate)], rtol=1e-6)
    # Six standard deviations of 100,000 draws, and of each row's and column's mean.
    deviation = np.sqrt(rate * (1 - rate))
    assert abs(np.mean(mask == 0) - rate) < 6 * deviation / np.sqrt(100_000)
    assert np.all(np.abs(np.mean(mask == 0, axis=1) - rate) < 6 * deviation / np.sqrt(500))
    assert np.all(np.abs(np.mean(mask == 0, axis=0) - rate) < 6 * deviation / np.sqrt(200))


def test_mask_keeps_everything_at_rate_zero() -> None:
    assert np.all(draw_mask(SEED, 0, [4, 100], 0.0, tf.float32) == 1)


def test_mask_depends_on_its_arguments_alone() -> None:
    first = draw_mask(SEED, 7, [30, 40], 0.5, tf.float32).numpy()
    tf.random.set_seed(99)
    tf.random.uniform([3])
    np.testing.assert_array_equal(first, draw_mask(SEED, 7, [30, 40], 0.5, tf.float32))
    graph = tf.function(lambda seed: draw_mask(seed, 7, [30, 40], 0.5, tf.float32))
    np.testing.assert_array_equal(first, graph(SEED))


def test_masks_of_other_streams_seeds_and_steps_are_unrelated() -> None:
    masks = [
        draw_mask(tf.constant([seed, step]), stream, [10_000], 0.5, tf.float32).numpy() - 1
        for seed in (1, 2)
        for step in (0, 1, 2)
        for stream in (0, 1, 1000, 2000, 2001)
    ]
    correlations = np.array(masks) @ np.array(masks).T / 10_000
    np.testing.assert_allclose(correlations, np.eye(len(masks)), atol=0.06)


def test_mask_has_the_wanted_type() -> None:
    mask = draw_mask(SEED, 0, [50], 0.5, tf.bfloat16)
    assert mask.dtype == tf.bfloat16
    assert set(mask.numpy().astype(float)) == {0.0, 2.0}


@pytest.mark.parametrize("same", [False, True], ids=["each step", "variational"])
@EACH_ENGINE
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_losses_under_every_dropout_equal_the_oracle_under_the_drawn_masks(
    attention: str, engine: str, same: bool, pairs: Pairs
) -> None:
    rates = {"dropout": 0.5, "embedding_dropout": 0.25, "output_dropout": 0.4}
    model = make_model(attention, variational_dropout=same, **rates)
    model.engine = choose_engine(engine)
    network = Network(model)
    rows = [
        network.token_losses(QUERIES[row], REPLIES[row], draw_all_masks(model.config, row))
        for row in range(B)
    ]
    losses = model.token_log_losses(*pairs, SEED)
    np.testing.assert_allclose(losses, np.concatenate(rows), atol=2e-4)


def test_variational_masks_are_the_same_at_every_step_and_differ_between_rows_and_layers() -> None:
    model = make_model("none", dropout=0.5, variational_dropout=True)
    masks = model.decoder._draw_masks(tf.zeros([B, T, E]), SEED).numpy().reshape(B, T, L, U)
    assert np.all(masks == masks[:, :1])
    for one, other in ((masks[0], masks[1]), (masks[:, :, 0], masks[:, :, 1])):
        assert np.any(one != other)
    other = draw_step_masks(SEED, DECODER_STREAM, [B, T, L * U], 0.5, tf.float32, same=False)
    assert np.any(other[:, 0] != other[:, 1])


@pytest.mark.parametrize("setting", ["dropout", "embedding_dropout", "output_dropout"])
@EACH_ENGINE
def test_each_kind_drops_alone_and_only_in_training(
    engine: str, setting: str, pairs: Pairs
) -> None:
    none, some = (make_model("luong", **{"dropout": 0.0, setting: rate}) for rate in (0.0, 0.5))
    for model in (none, some):
        model.engine = choose_engine(engine)
    undropped = none.token_log_losses(*pairs)
    np.testing.assert_array_equal(none.token_log_losses(*pairs, SEED), undropped)
    np.testing.assert_array_equal(some.token_log_losses(*pairs), undropped)
    assert np.all(np.abs(some.token_log_losses(*pairs, SEED) - undropped) > 1e-3)


def test_dropout_depends_on_the_seed_alone(model: Seq2Seq, pairs: Pairs) -> None:
    first = model.token_log_losses(*pairs, tf.constant([1, 0])).numpy()
    again = model.token_log_losses(*pairs, tf.constant([1, 0])).numpy()
    np.testing.assert_array_equal(first, again)
    for seed in ([1, 1], [2, 0]):  # another step, another training
        other = model.token_log_losses(*pairs, tf.constant(seed)).numpy()
        assert np.abs(first - other).max() > 0.1


def test_word_dropout_replaces_its_share_of_words_and_nothing_else() -> None:
    model = make_model("none", word_dropout=0.25)
    ids = tf.concat([tf.fill([400, 10], 7), tf.fill([400, 2], SEP), tf.fill([400, 5], PAD)], axis=1)
    assert model.drop_words(ids, None) is ids
    dropped = model.drop_words(ids, SEED).numpy()
    assert np.all(dropped[:, 10:12] == SEP)
    assert np.all(dropped[:, 12:] == PAD)
    assert set(np.unique(dropped[:, :10])) == {7, UNK}
    assert np.mean(dropped[:, :10] == UNK) == pytest.approx(0.25, abs=0.03)  # four deviations
    np.testing.assert_array_equal(dropped, model.drop_words(ids, SEED))
