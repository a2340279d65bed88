from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.engines.choice import choose_engine
from chatbot.network.seq2seq import Seq2Seq
from tests.conftest import (
    ATTENTIONS,
    EACH_ENGINE,
    QUERIES,
    REPLIES,
    SEEDS,
    B,
    E,
    Pairs,
    U,
    V,
    make_config,
    randomise,
)
from tests.fakes import make_search
from tests.oracles import Network, list_variables, read_projection

SIZES = pytest.mark.parametrize("size", [E, U], ids=["narrowed", "as wide"])
DROPOUT_SEED = tf.constant([1, 20])


def make_tied(
    attention: str = "luong", size: int = E, precision: str = "float32", **settings: Any
) -> Seq2Seq:
    config = make_config(attention, tie_embeddings=True, **settings)
    model = Seq2Seq(dataclasses.replace(config, embedding_size=size), V, precision=precision)
    randomise(list_variables(model), SEEDS[attention])
    return model


def make_untied(tied: Seq2Seq) -> Seq2Seq:
    """A network with separate weights, of the tied one's values."""
    model = Seq2Seq(dataclasses.replace(tied.config, tie_embeddings=False), V)
    kernel, bias = read_projection(tied)
    model.projection.kernel.assign(kernel)
    model.projection.bias.assign(bias)
    # The projection's come last.
    own = list_variables(model)[:-2]
    for mine, other in zip(own, list_variables(tied)):
        mine.assign(other)
    return model


@SIZES
@EACH_ENGINE
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_tied_losses_equal_the_oracle(attention: str, engine: str, size: int, pairs: Pairs) -> None:
    model = make_tied(attention, size)
    model.engine = choose_engine(engine)
    network = Network(model)
    rows = [network.token_losses(query, reply) for query, reply in zip(QUERIES, REPLIES)]
    np.testing.assert_allclose(model.token_log_losses(*pairs), np.concatenate(rows), atol=1e-4)


def find_gradients(model: Seq2Seq, pairs: Pairs, variables: list[Any]) -> list[Any]:
    with tf.GradientTape() as tape:
        loss = model.loss(*pairs, DROPOUT_SEED)
    return [tf.convert_to_tensor(x).numpy() for x in tape.gradient(loss, variables)]


@SIZES
@EACH_ENGINE
def test_gradients_of_both_uses_of_the_word_vectors_add_up(
    engine: str, size: int, pairs: Pairs
) -> None:
    tied = make_tied(size=size, dropout=0.5)
    untied = make_untied(tied)
    for model in (tied, untied):
        model.engine = choose_engine(engine)
    d_embedding, d_bias, *d_narrow = find_gradients(
        tied, pairs, [tied.embedding, *tied.projection.listed()]
    )
    d_words, d_kernel, expected_bias = find_gradients(
        untied, pairs, [untied.embedding, *untied.projection.listed()]
    )
    narrow = np.eye(U) if size == U else tied.projection.narrow.kernel.numpy()
    for part in (d_words, d_kernel.T @ narrow):
        assert np.abs(part).max() > 1e-2  # so that neither could be missing
    np.testing.assert_allclose(d_embedding, d_words + d_kernel.T @ narrow, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(d_bias, expected_bias, rtol=1e-3, atol=1e-5)
    assert len(d_narrow) == (size != U)
    for found in d_narrow:
        np.testing.assert_allclose(found, d_kernel @ tied.embedding, rtol=1e-3, atol=1e-5)


@SIZES
@EACH_ENGINE
@pytest.mark.parametrize("beam_size", [None, 3])
def test_every_search_of_a_tied_network_finds_what_an_untied_one_of_its_values_finds(
    engine: str, size: int, beam_size: int | None, pairs: Pairs
) -> None:
    tied = make_tied(size=size)
    searches = [make_search(engine, model, beam_size) for model in (tied, make_untied(tied))]
    found, expected = (search(*pairs[:2], 6, 1.0) for search in searches)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_allclose(found.log_probs, expected.log_probs, atol=1e-4)


@pytest.mark.needs_bfloat16
@EACH_ENGINE
def test_tied_bfloat16_products_keep_float32_weights_and_losses(engine: str, pairs: Pairs) -> None:
    small = make_tied(precision="bfloat16")
    small.engine = choose_engine(engine)
    losses = small.token_log_losses(*pairs)
    gradients = find_gradients(small, pairs, list_variables(small))
    assert {x.dtype for x in small.variables} == {tf.float32}
    assert losses.dtype == tf.float32
    assert {x.dtype.name for x in gradients} == {"float32"}
    network = Network(small)
    rows = [network.token_losses(query, reply) for query, reply in zip(QUERIES, REPLIES)]
    # bfloat16 has 8 bits of precision, and the logits reach 20.
    np.testing.assert_allclose(losses, np.concatenate(rows), atol=0.5)


@SIZES
def test_a_tied_network_has_no_kernel_of_its_own_and_each_variable_once(size: int) -> None:
    tied, untied = make_tied(size=size), make_untied(make_tied(size=size))
    narrow = [] if size == U else [(U, size)]
    shapes = [tuple(x.shape) for x in tied.trainable_variables]
    assert sorted([*shapes, (U, V)]) == sorted(
        [*(tuple(x.shape) for x in untied.trainable_variables), *narrow]
    )
    assert len({id(x) for x in tied.trainable_variables}) == len(tied.trainable_variables)


@SIZES
def test_first_losses_of_a_tied_network_are_those_of_knowing_nothing(
    size: int, pairs: Pairs
) -> None:
    config = make_config("luong", tie_embeddings=True)
    model = Seq2Seq(dataclasses.replace(config, embedding_size=size), V)
    assert len(model.token_log_losses(*pairs)) > B
    np.testing.assert_allclose(model.token_log_losses(*pairs), np.log(V), rtol=0.05)
