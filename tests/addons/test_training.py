"""Losses and gradients of the tutorial's training graph and of both engines."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_addons as tfa

from chatbot.addons.decoder import AddonsDecoder
from chatbot.addons.forms import SCORES
from chatbot.engines.choice import choose_engine
from chatbot.network.dropout import DECODER_STREAM, REPLY_STREAM, draw_mask
from chatbot.network.losses import gather_real, token_losses
from chatbot.network.seq2seq import Seq2Seq
from chatbot.text import EOS, GO
from tests.conftest import (
    ATTENTIONS,
    SEEDS,
    B,
    E,
    L,
    Pairs,
    T,
    U,
    V,
    make_config,
    make_pairs,
    randomise,
)
from tests.fakes import make_search
from tests.oracles import list_variables
from tests.search.test_search import assert_same, read_row

DROPOUT_SEED = tf.constant([1, 20])


def compute_plain_loss(model: Seq2Seq, pairs: Pairs, seed: tf.Tensor | None = None) -> tf.Tensor:
    """The documents' training graph: projection in the loop, the library's loss over padding."""
    made = AddonsDecoder(model.decoder, tf.float32)
    projection = tf.keras.layers.Lambda(model.projection)
    decoder = tfa.seq2seq.BasicDecoder(
        made.cell, tfa.seq2seq.TrainingSampler(), output_layer=projection
    )
    starts = tf.fill([B, 1], GO)
    inputs = model.embed(tf.concat([starts, pairs.reply_ids[:, :-1]], axis=1))
    if seed is not None:
        inputs *= draw_mask(seed, REPLY_STREAM, [B, T, E], 0.25, tf.float32)
        masks = draw_mask(seed, DECODER_STREAM, [B, T, L * U], 0.5, tf.float32)
        inputs = tf.concat([inputs, masks], axis=-1)
    encoded = model.encode(pairs.query_ids, pairs.query_lengths, seed)
    outputs, _, _ = decoder(
        inputs, initial_state=made.start(encoded), sequence_length=pairs.reply_lengths
    )
    weights = tf.sequence_mask(pairs.reply_lengths, T, tf.float32)
    return tfa.seq2seq.sequence_loss(outputs.rnn_output, pairs.reply_ids, weights)


def test_mean_loss_equals_the_librarys_sequence_loss_over_padded_logits() -> None:
    generator, lengths = np.random.default_rng(7), [4, 2, 3]
    logits = tf.constant(generator.normal(0, 4, [B, T, V]), tf.float32)
    targets = tf.constant(generator.integers(0, V, [B, T]), tf.int32)
    weights = tf.sequence_mask(lengths, T, tf.float32)
    losses = token_losses(gather_real(logits, lengths), gather_real(targets, lengths))
    expected = tfa.seq2seq.sequence_loss(logits, targets, weights)
    np.testing.assert_allclose(tf.reduce_mean(losses), expected, rtol=1e-6)


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize("seed", [None, DROPOUT_SEED], ids=["validation", "training"])
def test_loss_and_gradients_equal_those_of_the_projection_inside_the_loop(
    model: Seq2Seq, pairs: Pairs, seed: tf.Tensor | None
) -> None:
    variables = list_variables(model)
    with tf.GradientTape(persistent=True) as tape:
        loss = model.loss(*pairs, seed)
    gradients = [tf.convert_to_tensor(x) for x in tape.gradient(loss, variables)]
    model.engine = choose_engine("addons")
    with tf.GradientTape() as tape:
        plain = compute_plain_loss(model, pairs, seed)
    expected = [tf.convert_to_tensor(x) for x in tape.gradient(plain, variables)]
    np.testing.assert_allclose(loss, plain, rtol=1e-5)
    for variable, mine, other in zip(variables, gradients, expected):
        assert np.abs(other).max() > 1e-4, variable.name
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=2e-6, err_msg=variable.name)


@pytest.mark.parametrize(
    ("attention", "layers", "squashes"),
    [
        *((name, layers, False) for name in ATTENTIONS for layers in (1, 3)),
        *((name, 1, True) for name in SCORES),
    ],
)
def test_gradients_of_both_loops_are_equal_for_any_depth_and_the_shortest_rows(
    attention: str, layers: int, squashes: bool
) -> None:
    config = make_config(attention, embedding_dropout=0.25, attention_tanh=squashes)
    model = Seq2Seq(dataclasses.replace(config, num_layers=layers), V)
    randomise(list_variables(model), SEEDS.get(attention, 3), scale=0.8 if squashes else 1.0)
    pairs = make_pairs([(7,), (8, 5, 6)], [(EOS,), (5, 9, EOS)])
    variables, found = list_variables(model), []
    for name in ("own", "addons"):
        model.engine = choose_engine(name)
        with tf.GradientTape() as tape:
            loss = model.loss(*pairs, DROPOUT_SEED)
        found.append([tf.convert_to_tensor(x) for x in tape.gradient(loss, variables)])
    for variable, mine, other in zip(variables, *found):
        assert np.abs(other).max() > (1e-7 if squashes else 1e-5), variable.name
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=2e-6, err_msg=variable.name)


@pytest.mark.parametrize("attention", sorted({*SCORES} - {*ATTENTIONS}))
def test_a_beam_of_the_librarys_own_attentions_finds_what_ours_finds(
    attention: str, pairs: Pairs
) -> None:
    model = Seq2Seq(make_config(attention), V)
    randomise(list_variables(model), 3)
    library, ours = (make_search(name, model, 3)(*pairs[:2], 5, 1.0) for name in ("addons", "own"))
    for row in range(B):
        assert_same(read_row(library, row), read_row(ours, row), atol=1e-4)
