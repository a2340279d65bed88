from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot.network.inference import InferenceNetwork
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search import BeamSearch, DiverseSearch
from tests.conftest import QUERIES, B, Pairs, pad
from tests.fakes import TABLE_QUERIES, TableModel, TableNetwork, draw_table
from tests.lite_searches import LiteBeam
from tests.oracles import Network
from tests.search.oracles import search_in_groups, search_with_beam
from tests.search.test_search import assert_ranked, read_row

VOCAB_SIZE = 6


@pytest.fixture(scope="module", params=[DiverseSearch, LiteBeam])
def diverse(request: pytest.FixtureRequest) -> Any:
    return request.param


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    groups=st.integers(1, 4),
    size=st.integers(1, 3),
    strength=st.sampled_from([0.0, 0.4, 3.0]),
    max_reply_length=st.integers(1, 4),
)
def test_groups_equal_a_search_by_hand(
    diverse: Any, seed: int, groups: int, size: int, strength: float, max_reply_length: int
) -> None:
    model: Any = TableModel(draw_table(seed, 2, 5, VOCAB_SIZE))
    search = diverse(TableNetwork(model), groups, strength)
    found = search(*TABLE_QUERIES, max_reply_length, 1.0, groups * size)
    for row in range(2):
        expected = search_in_groups(
            model.stepper(row), max_reply_length, groups * size, groups, strength
        )
        mine = {
            tuple(ids[:length].tolist()): log_prob
            for ids, length, log_prob in zip(*(np.asarray(x[row]) for x in found[:3]))
            if log_prob > -np.inf
        }
        assert mine == {words: pytest.approx(x, abs=1e-4) for words, x in expected.items()}
    assert_ranked(found, 1.0)


@pytest.mark.parametrize("attention", ["bahdanau", "luong", "none"])
def test_one_group_is_the_plain_beam(
    diverse: Any, find_model: Any, pairs: Pairs, attention: str
) -> None:
    network = InferenceNetwork(find_model(attention))
    plain = BeamSearch(network)(*pairs[:2], 6, 1.0, 4)
    found = diverse(network, 1, 5.0)(*pairs[:2], 6, 1.0, 4)
    np.testing.assert_array_equal(found.ids, plain.ids)
    np.testing.assert_allclose(found.log_probs, plain.log_probs, atol=1e-5)


def test_strong_groups_begin_with_different_words(
    diverse: Any, model: Seq2Seq, pairs: Pairs
) -> None:
    search = diverse(InferenceNetwork(model), 4, 100.0)
    found = search(*pairs[:2], 6, 0.0, 4)
    plain = BeamSearch(InferenceNetwork(model))(*pairs[:2], 6, 0.0, 4)
    counts = []
    for replies in (found, plain):
        lengths, ids = replies.lengths.numpy(), replies.ids.numpy()
        firsts = [[words[0] for words, length in zip(*row) if length] for row in zip(ids, lengths)]
        counts.append([len(row) - len(set(row)) for row in firsts])
    assert counts[0] == [0] * B
    assert sum(counts[1]) > 0


def test_a_query_alone_gets_what_it_gets_in_a_batch(
    diverse: Any, model: Seq2Seq, pairs: Pairs
) -> None:
    search = diverse(InferenceNetwork(model), 2, 1.0)
    together = search(*pairs[:2], 7, 1.0, 6)
    for row in range(B):
        alone = search(*pad([QUERIES[row]]), 7, 1.0, 6)
        length = alone.ids.shape[-1]
        np.testing.assert_array_equal(alone.ids[0], together.ids[row, :, :length])
        np.testing.assert_allclose(alone.log_probs[0], together.log_probs[row], atol=1e-4)


def test_without_strength_each_group_is_a_separate_beam(
    diverse: Any, model: Seq2Seq, pairs: Pairs
) -> None:
    found = diverse(InferenceNetwork(model), 3, 0.0)(*pairs[:2], 5, 1.0, 6)
    for row, query in enumerate(QUERIES):
        expected = search_with_beam(Network(model).stepper(query), 5, 2)
        mine = [tuple(i[:n].tolist()) for i, n in zip(found.ids[row].numpy(), found.lengths[row])]
        assert sorted(mine) == sorted([*expected] * 3)
    assert read_row(BeamSearch(InferenceNetwork(model))(*pairs[:2], 5, 1.0, 2), 0)
