from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from chatbot.network.seq2seq import Seq2Seq
from tests.conftest import QUERIES, B, L, Pairs, S, U, pad
from tests.network.test_dropout import SEED, draw_all_masks
from tests.oracles import UNMASKED, Network


@pytest.mark.parametrize("model", ["luong"], indirect=True)
@pytest.mark.parametrize("seed", [None, SEED], ids=["replying", "training"])
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.usefixtures("each_engine")
def test_encoder_equals_the_oracle_on_each_query_alone(
    model: Seq2Seq, network: Network, pairs: Pairs, seed: tf.Tensor | None, graph: bool
) -> None:
    encode = tf.function(model.encode, autograph=False) if graph else model.encode
    encoded = encode(pairs.query_ids, pairs.query_lengths, seed)
    assert encoded.memory.shape == [B, S, U]
    assert len(encoded.state) == L
    np.testing.assert_array_equal(encoded.lengths, [len(query) for query in QUERIES])
    for row, query in enumerate(QUERIES):
        masks = UNMASKED if seed is None else draw_all_masks(model.config, row)
        memory, start = network.encode(query, masks)
        np.testing.assert_allclose(encoded.memory[row, : len(query)], memory, atol=1e-6)
        assert np.all(encoded.memory[row, len(query) :] == 0)
        for mine, expected in zip(encoded.state, start.layers):
            for tensor, array in zip(mine, expected):
                np.testing.assert_allclose(tensor[row], array[0], atol=1e-6)


@pytest.mark.usefixtures("each_engine")
def test_query_alone_is_encoded_as_inside_a_padded_batch(model: Seq2Seq, pairs: Pairs) -> None:
    together = model.encode(pairs.query_ids, pairs.query_lengths)
    for row, query in enumerate(QUERIES):
        alone = model.encode(*pad([query]))
        np.testing.assert_allclose(
            together.memory[row, : len(query)], alone.memory[0], rtol=1e-5, atol=1e-6
        )
        for mine, own in zip(tf.nest.flatten(together.state), tf.nest.flatten(alone.state)):
            np.testing.assert_allclose(mine[row], own[0], rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("each_engine")
def test_tokens_in_the_padding_do_not_matter(model: Seq2Seq, pairs: Pairs) -> None:
    real = tf.sequence_mask(pairs.query_lengths, S)
    before = model.encode(pairs.query_ids, pairs.query_lengths)
    after = model.encode(tf.where(real, pairs.query_ids, 9), pairs.query_lengths)
    for mine, other in zip(tf.nest.flatten(before), tf.nest.flatten(after)):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("word", range(len(QUERIES[2])))
def test_every_word_of_a_query_moves_its_state(model: Seq2Seq, pairs: Pairs, word: int) -> None:
    changed = pairs.query_ids.numpy()
    changed[2, word] = 4
    before = model.encode(pairs.query_ids, pairs.query_lengths)
    after = model.encode(tf.constant(changed), pairs.query_lengths)
    moved = np.abs(before.state[-1][0] - after.state[-1][0]).max(axis=1)
    np.testing.assert_array_equal(moved > 1e-3, [False, False, True])
