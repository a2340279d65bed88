from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from chatbot.network.inference import InferenceNetwork
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search import BeamSearch
from chatbot.settings.config import Config
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import EOS, SPECIAL_TOKENS, Vocabulary
from tests.conftest import (
    IDS,
    LENGTHS,
    QUERIES,
    REPLIES,
    SEEDS,
    E,
    Pairs,
    U,
    V,
    make_config,
    make_pairs,
    randomise,
)
from tests.oracles import Network, list_variables


@pytest.mark.usefixtures("each_engine")
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


@pytest.mark.usefixtures("each_engine")
def test_pair_alone_has_the_losses_it_has_in_a_padded_batch(model: Seq2Seq, pairs: Pairs) -> None:
    together = np.split(model.token_log_losses(*pairs), np.cumsum(pairs.reply_lengths)[:-1])
    for row, (query, reply) in enumerate(zip(QUERIES, REPLIES)):
        alone = model.token_log_losses(*make_pairs([query], [reply]))
        np.testing.assert_allclose(together[row], alone, rtol=1e-4, atol=1e-5)


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
@pytest.mark.usefixtures("each_engine")
def test_bfloat16_products_keep_float32_weights_and_losses(
    model: Seq2Seq, network: Network, pairs: Pairs
) -> None:
    small = Seq2Seq(model.config, V, precision="bfloat16")
    small.engine = model.engine
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
    searches = [BeamSearch(InferenceNetwork(x)) for x in (model, restored)]
    for mine, other in zip(*(search(*pairs[:2], 4, 1.0, 2) for search in searches)):
        np.testing.assert_array_equal(mine, other)
