from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_addons as tfa

from chatbot.addons import AddonsBeamSearch
from chatbot.network.device import computing_in
from chatbot.network.dropout import DECODER_STREAM, REPLY_STREAM, draw_mask
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import Config
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import EOS, GO, SPECIAL_TOKENS, Vocabulary
from tests.conftest import (
    ATTENTIONS,
    IDS,
    LENGTHS,
    QUERIES,
    REPLIES,
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
from tests.oracles import Network, list_variables

DROPOUT_SEED = tf.constant([1, 20])


def compute_plain_loss(model: Seq2Seq, pairs: Pairs, seed: tf.Tensor | None = None) -> tf.Tensor:
    """The documents' training graph: projection in the loop, the library's loss over padding."""
    decoder = tfa.seq2seq.BasicDecoder(
        model.decoder.cell, tfa.seq2seq.TrainingSampler(), output_layer=model.projection
    )
    starts = tf.fill([B, 1], GO)
    inputs = model.embed(tf.concat([starts, pairs.reply_ids[:, :-1]], axis=1))
    if seed is not None:
        inputs *= draw_mask(seed, REPLY_STREAM, [B, T, E], 0.25, tf.float32)
        masks = draw_mask(seed, DECODER_STREAM, [B, T, L * U], 0.5, tf.float32)
        inputs = tf.concat([inputs, masks], axis=-1)
    encoded = model.encode(pairs.query_ids, pairs.query_lengths, seed)
    outputs, _, _ = decoder(
        inputs, initial_state=model.decoder.start(encoded), sequence_length=pairs.reply_lengths
    )
    weights = tf.sequence_mask(pairs.reply_lengths, T, tf.float32)
    return tfa.seq2seq.sequence_loss(outputs.rnn_output, pairs.reply_ids, weights)


@pytest.mark.usefixtures("either_loop")
def test_token_losses_equal_the_oracle(model: Seq2Seq, network: Network, pairs: Pairs) -> None:
    losses = model.token_log_losses(*pairs)
    rows = [network.token_losses(query, reply) for query, reply in zip(QUERIES, REPLIES)]
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(losses, np.concatenate(rows), atol=5e-5)
    np.testing.assert_allclose(model.loss(*pairs), np.mean(np.concatenate(rows)), atol=5e-5)


def test_token_losses_in_a_graph_equal_eager_ones_for_every_size_from_one_trace(
    model: Seq2Seq, pairs: Pairs
) -> None:
    signature = (IDS, LENGTHS, IDS, LENGTHS)
    losses = tf.function(model.token_log_losses, input_signature=signature, autograph=False)
    others = make_pairs([QUERIES[1]], [(5, 6, 7, 8, 9, 10, EOS)])
    for batch in (pairs, others):
        np.testing.assert_allclose(losses(*batch), model.token_log_losses(*batch), atol=2e-5)
    assert losses.experimental_get_tracing_count() == 1


@pytest.mark.usefixtures("either_loop")
def test_pair_alone_has_the_losses_it_has_in_a_padded_batch(model: Seq2Seq, pairs: Pairs) -> None:
    together = np.split(model.token_log_losses(*pairs), np.cumsum(pairs.reply_lengths)[:-1])
    for row, (query, reply) in enumerate(zip(QUERIES, REPLIES)):
        alone = model.token_log_losses(*make_pairs([query], [reply]))
        np.testing.assert_allclose(together[row], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("either_loop")
@pytest.mark.parametrize("seed", [None, DROPOUT_SEED], ids=["validation", "training"])
def test_loss_and_gradients_equal_those_of_the_projection_inside_the_loop(
    model: Seq2Seq, pairs: Pairs, seed: tf.Tensor | None
) -> None:
    variables = list_variables(model)
    with tf.GradientTape(persistent=True) as tape:
        loss = model.loss(*pairs, seed)
    gradients = [tf.convert_to_tensor(x) for x in tape.gradient(loss, variables)]
    model.compute_fast(False)
    with tf.GradientTape() as tape:
        plain = compute_plain_loss(model, pairs, seed)
    expected = [tf.convert_to_tensor(x) for x in tape.gradient(plain, variables)]
    np.testing.assert_allclose(loss, plain, rtol=1e-5)
    for variable, mine, other in zip(variables, gradients, expected):
        assert np.abs(other).max() > 1e-4, variable.name
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=2e-6, err_msg=variable.name)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_gradients_of_both_loops_are_equal_for_any_depth_and_the_shortest_rows(
    attention: str, layers: int
) -> None:
    config = make_config(attention, dropout=0.5, embedding_dropout=0.25)
    model = Seq2Seq(dataclasses.replace(config, num_layers=layers), V)
    randomise(list_variables(model), SEEDS[attention])
    pairs = make_pairs([(7,), (8, 5, 6)], [(EOS,), (5, 9, EOS)])
    variables, found = list_variables(model), []
    for fast in (True, False):
        model.compute_fast(fast)
        with tf.GradientTape() as tape:
            loss = model.loss(*pairs, DROPOUT_SEED)
        found.append([tf.convert_to_tensor(x) for x in tape.gradient(loss, variables)])
    for variable, mine, other in zip(variables, *found):
        assert np.abs(other).max() > 1e-5, variable.name
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=2e-6, err_msg=variable.name)


def test_variables_are_the_documents_and_no_others(model: Seq2Seq) -> None:
    def lstm(width: int) -> list[tuple[int, ...]]:
        return [(width, 4 * U), (U, 4 * U), (4 * U,)]

    shapes: list[tuple[int, ...]] = [(V, E), (U, V), (V,), *lstm(E), *lstm(U), *lstm(U)]
    attends = model.config.use_attention
    shapes += lstm(E + U) if attends else lstm(E)
    shapes += [(U, U), (2 * U, U)] if attends else []
    shapes += [(U, U), (U,)] if attends and model.config.attention == "bahdanau" else []
    assert sorted(tuple(x.shape) for x in model.trainable_variables) == sorted(shapes)
    assert len(list_variables(model)) == len(model.variables)


def test_seed_decides_the_first_weights() -> None:
    first, same, other = (Seq2Seq(make_config("bahdanau"), V, seed) for seed in (3, 3, 4))
    for mine, again, different in zip(*map(list_variables, (first, same, other))):
        np.testing.assert_array_equal(mine, again)
        assert mine.shape.rank == 1 or np.any(mine.numpy() != different.numpy())


@pytest.mark.needs_bfloat16
@pytest.mark.usefixtures("either_loop")
def test_bfloat16_products_keep_float32_weights_and_losses(
    model: Seq2Seq, network: Network, pairs: Pairs
) -> None:
    with computing_in("bfloat16"):
        small = Seq2Seq(model.config, V)
        small.compute_fast(model.decoder.fast)
        randomise(list_variables(small), SEEDS[_name(model)])
        losses = small.token_log_losses(*pairs)
    assert {x.dtype for x in small.variables} == {tf.float32}
    assert losses.dtype == tf.float32
    expected = [network.token_losses(query, reply) for query, reply in zip(QUERIES, REPLIES)]
    # bfloat16 has 8 bits of precision, and the logits reach 10.
    np.testing.assert_allclose(losses, np.concatenate(expected), atol=0.25)


def _name(model: Seq2Seq) -> str:
    return model.config.attention if model.config.use_attention else "none"


def test_saved_and_restored_model_has_the_same_losses_and_replies(
    model: Seq2Seq, pairs: Pairs, tmp_path: Path
) -> None:
    directory = ModelDirectory(tmp_path / "model")
    words = Vocabulary([*SPECIAL_TOKENS, *"uvwxyz"])
    directory.create(Config(model=model.config), words)
    directory.save(tf.train.Checkpoint(model=model), "ckpt", 7, {})

    again = ModelDirectory(tmp_path / "model")
    config, vocabulary = again.load()
    restored = Seq2Seq(config.model, len(vocabulary), seed=99)
    checkpoint = again.newest()
    assert checkpoint is not None
    assert checkpoint.step == 7
    again.restore(tf.train.Checkpoint(model=restored), checkpoint, whole=True)
    np.testing.assert_array_equal(restored.token_log_losses(*pairs), model.token_log_losses(*pairs))
    for mine, other in zip(
        *(AddonsBeamSearch(x, 2)(*pairs[:2], 4, 1.0) for x in (model, restored))
    ):
        np.testing.assert_array_equal(mine, other)
