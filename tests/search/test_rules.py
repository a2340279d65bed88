from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot.lite.rules import NO_WORDS
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search import FREE, BeamSearch, Rules
from chatbot.search.rules import find_banned, forbid, share_allowed
from chatbot.text import EOS, UNK
from tests.conftest import QUERIES, B, Pairs, pad
from tests.fakes import TABLE_QUERIES, TableModel, TableNetwork, draw_table
from tests.oracles import Network
from tests.search.oracles import (
    find_forbidden,
    keep_rules,
    score_normalised,
    score_reply,
    search_exhaustively,
    search_greedily,
    search_with_beam,
)
from tests.search.test_search import MakeSearch, read_row

VOCAB_SIZE = 8
SOME = [Rules(2, 0, False), Rules(0, 1, False), Rules(0, 0, True), Rules(1, 2, True)]


def read_ranked(found: Any, row: int) -> dict[tuple[int, ...], float]:
    """Returns {words: what the reply is ranked by} of one query."""
    return read_row(found._replace(log_probs=found.ranked_log_probs), row)


def drop_impossible(replies: dict[tuple[int, ...], float]) -> dict[tuple[int, ...], float]:
    return {words: value for words, value in replies.items() if value > -np.inf}


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(0, 9).flatmap(
        lambda size: st.lists(
            st.lists(st.integers(5, 8), min_size=size, max_size=size), min_size=1, max_size=4
        )
    ),
    rules=st.builds(Rules, st.integers(0, 5), st.integers(0, 4), st.booleans()),
)
def test_what_is_banned_equals_a_look_at_every_run(rows: list[list[int]], rules: Rules) -> None:
    filler = 11
    said = tf.reshape(tf.constant(rows, tf.int32), [len(rows), -1])
    found = find_banned(said, rules, filler).numpy().tolist()
    for row, banned in zip(rows, found):
        real = [token for token in banned if token != filler]
        assert len(set(real)) == len(real)
        assert set(real) == find_forbidden(row, *rules)


def test_what_is_left_shares_the_probability() -> None:
    logits = np.random.default_rng(4).normal(0, 2, [3, 7]).astype(np.float32)
    banned = np.array([[0, 6], [2, 6], [1, 5]], np.int32)
    logits[:, 6] = -np.inf
    allowed = forbid(tf.constant(logits), tf.constant(banned))
    left = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.put_along_axis(left, banned, 0.0, axis=-1)
    lost = np.take_along_axis(logits, banned, -1)
    share = share_allowed(tf.reduce_logsumexp(allowed, axis=1), tf.constant(lost))
    np.testing.assert_allclose(np.exp(share), left.sum(-1), rtol=1e-5)
    np.testing.assert_allclose(
        tf.nn.softmax(allowed), left / left.sum(-1, keepdims=True), atol=1e-6
    )


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rules=st.sampled_from(SOME),
    beam_size=st.integers(1, 9),
    max_reply_length=st.integers(2, 4),
)
def test_searches_with_rules_equal_searches_by_hand(
    make_search: MakeSearch, seed: int, rules: Rules, beam_size: int, max_reply_length: int
) -> None:
    model: Any = TableModel(draw_table(seed, 2, 5, VOCAB_SIZE))
    greedy = make_search(model, None, rules)(*TABLE_QUERIES, max_reply_length, 0.5)
    beam = make_search(model, beam_size, rules)(*TABLE_QUERIES, max_reply_length, 0.5)
    for row in range(2):
        plain = model.stepper(row)
        advance = keep_rules(plain, *rules)
        words, log_prob = search_greedily(advance, max_reply_length)
        assert read_ranked(greedy, row) == {words: pytest.approx(log_prob, abs=1e-4)}
        assert read_row(greedy, row) == {words: pytest.approx(score_reply(plain, words), abs=1e-4)}
        expected = drop_impossible(search_with_beam(advance, max_reply_length, beam_size))
        found = read_ranked(beam, row)
        assert found == {w: pytest.approx(x, abs=1e-4) for w, x in expected.items()}
        own = {w: pytest.approx(score_reply(plain, w), abs=1e-4) for w in expected}
        assert read_row(beam, row) == own


@pytest.mark.parametrize("rules", SOME)
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_enough_beam_with_rules_equals_exhaustive_search(
    make_search: MakeSearch, rules: Rules, penalty: float
) -> None:
    model: Any = TableModel(draw_table(8, 2, 4, VOCAB_SIZE))
    found = make_search(model, 400, rules)(*TABLE_QUERIES, 3, penalty)
    for row in range(2):
        advance = keep_rules(model.stepper(row), *rules)
        expected = drop_impossible(search_exhaustively(advance, 3, VOCAB_SIZE))
        mine = read_ranked(found, row)
        assert mine == {w: pytest.approx(x, abs=2e-4) for w, x in expected.items()}
        scores = [score_normalised(expected[w], len(w), penalty) for w in mine]
        assert scores == pytest.approx(sorted(scores, reverse=True), abs=1e-3)
        np.testing.assert_allclose(found.scores[row, : len(scores)], scores, atol=1e-3)


@pytest.mark.parametrize("beam_size", [None, 4])
def test_rules_hold_and_log_probs_stay_the_models_own(
    make_search: MakeSearch, model: Seq2Seq, network: Network, pairs: Pairs, beam_size: int | None
) -> None:
    rules = Rules(3, 2, True)
    found = make_search(model, beam_size, rules)(*pairs[:2], 8, 1.0)
    free = make_search(model, beam_size)(*pairs[:2], 8, 1.0)
    assert not np.array_equal(free.ids, found.ids)  # so there is something to forbid
    for row, query in enumerate(QUERIES):
        for words, log_prob in read_row(found, row).items():
            assert len(words) >= 3
            assert not set(NO_WORDS) & set(words)
            pairs_said = list(itertools.pairwise(words))
            assert len(set(pairs_said)) == len(pairs_said)
            assert log_prob == pytest.approx(score_reply(network.stepper(query), words), abs=2e-4)


@pytest.mark.parametrize("beam_size", [None, 3])
def test_with_rules_a_query_alone_gets_what_it_gets_in_a_batch(
    make_search: MakeSearch, model: Seq2Seq, pairs: Pairs, beam_size: int | None
) -> None:
    search = make_search(model, beam_size, Rules(2, 2, True))
    together = search(*pairs[:2], 7, 1.0)
    for row in range(B):
        alone = search(*pad([QUERIES[row]]), 7, 1.0)
        assert list(read_row(alone, 0)) == list(read_row(together, row))
        np.testing.assert_allclose(alone.log_probs[0], together.log_probs[row], atol=1e-4)
        np.testing.assert_allclose(alone.scores[0], together.scores[row], atol=1e-4)


def test_rules_that_leave_no_reply_leave_none(make_search: MakeSearch) -> None:
    model: Any = TableModel(draw_table(3, 2, 8, VOCAB_SIZE))
    rules = Rules(6, 1, True)  # six different tokens, and there are only three
    for beam_size in (None, 3):
        found = make_search(model, beam_size, rules)(*TABLE_QUERIES, 7, 1.0)
        for values in (found.log_probs, found.scores, found.ranked_log_probs):
            assert np.all(np.asarray(values) == -np.inf)


def test_a_token_that_has_nearly_all_probability_may_be_banned() -> None:
    table = np.full([1, 3, VOCAB_SIZE, VOCAB_SIZE], -60.0)
    table[..., UNK] = -1e-26
    table[..., 5] = -59.0
    table[..., EOS] = -58.0
    model: Any = TableModel(table)
    search = BeamSearch(TableNetwork(model))
    found = search(tf.constant([[0]]), tf.constant([1]), 2, 0.0, 1, Rules(1, 0, True))
    assert list(read_row(found, 0)) == [(5,)]
    assert float(found.log_probs[0, 0]) == pytest.approx(-59.0 - 58.0, abs=1e-3)
    assert -1.5 < float(found.ranked_log_probs[0, 0]) < 0.0
    assert Rules(0, 0, False) == FREE
