from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.looking import Tree
from chatbot.lite.recording import Candidates
from chatbot.lite.rules import NO_WORDS
from chatbot.lite.searches import Searches
from chatbot.network.inference import InferenceNetwork
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import SearchConfig
from chatbot.text import EOS, UNK
from tests.conftest import ATTENTIONS, make_config, pad, randomise
from tests.fakes import TableModel, TableNetwork, draw_table
from tests.lite_searches import EagerNetwork
from tests.oracles import Network, list_variables, log_softmax

SIZE, LONGEST = 30, 6
QUERY = [7, 5, 9, 10, 6]
FREE = SearchConfig(max_reply_length=LONGEST, ban_unk=False, length_penalty=0.7)
SEARCHES: list[dict[str, Any]] = [
    {"beam_size": 1},
    {"beam_size": 4},
    {"beam_size": 4, "diverse_groups": 2, "diversity_strength": 2.0},
    {"beam_size": 3, "sample": True},
    {"beam_size": 4, "ban_unk": True, "no_repeat_ngram": 2, "min_reply_length": 3},
    {"beam_size": 4, "no_repeat_ngram": 1, "mmi_weight": 0.5},
]


@pytest.fixture(scope="module", params=ATTENTIONS)
def network(request: pytest.FixtureRequest) -> Any:
    model = Seq2Seq(make_config(request.param), SIZE)
    randomise(list_variables(model), seed=2, scale=0.8)
    return model


def open_searches(model: Any) -> Searches:
    return Searches(EagerNetwork(InferenceNetwork(model, "float32")))


def ask(searches: Searches, settings: SearchConfig, prefix: Sequence[int] = ()) -> Hypotheses:
    ids, lengths = pad([QUERY])
    return searches.search(ids.numpy(), lengths.numpy(), settings, prefix)


@pytest.mark.parametrize("changes", SEARCHES)
def test_every_search_begins_its_replies_with_the_prefix(
    network: Any, changes: dict[str, Any]
) -> None:
    settings = dataclasses.replace(FREE, **changes)
    found = ask(open_searches(network), settings, (8, 20))
    alive = found.log_probs[0] > -np.inf
    assert alive.any()
    assert np.all(found.ids[0, alive, :2] == (8, 20))
    assert np.all(found.lengths[0, alive] <= LONGEST)


@pytest.mark.parametrize("changes", SEARCHES)
def test_the_log_probability_counts_the_prefix_as_the_oracle_does(
    network: Any, changes: dict[str, Any]
) -> None:
    settings = dataclasses.replace(FREE, **changes)
    found = ask(open_searches(network), settings, (8, 20))
    oracle = Network(network)
    for ids, length, log_prob in zip(found.ids[0], found.lengths[0], found.log_probs[0]):
        if log_prob > -np.inf:
            reply = [*ids[:length].tolist(), EOS]
            expected = -oracle.token_losses(QUERY, reply).sum()
            assert log_prob == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("changes", [{}, {"no_repeat_ngram": 1, "ban_unk": True}])
def test_greedy_search_goes_on_from_its_own_beginning_to_the_same_reply(
    network: Any, changes: dict[str, Any]
) -> None:
    searches, settings = open_searches(network), dataclasses.replace(FREE, beam_size=1, **changes)
    whole = ask(searches, settings)
    for count in range(1, int(whole.lengths[0, 0]) + 1):
        again = ask(searches, settings, whole.ids[0, 0, :count].tolist())
        for mine, expected in zip(again, whole):
            np.testing.assert_allclose(mine, expected, rtol=1e-5)


def test_a_wide_beam_finds_every_reply_that_begins_so() -> None:
    table = draw_table(seed=5, queries=1, times=4, vocab_size=6)
    searches = Searches(EagerNetwork(TableNetwork(TableModel(table))))
    settings = SearchConfig(beam_size=200, max_reply_length=3, ban_unk=False, length_penalty=0.4)
    queries = (np.array([[0]], np.int32), np.array([1], np.int32))
    free = searches.search(*queries, settings)
    found = searches.search(*queries, settings, (5, 1))
    mine = (free.ids[0, :, :2] == (5, 1)).all(axis=1)
    exists = found.log_probs[0] > -np.inf
    assert exists.sum() == mine.sum() == 6  # an end, or one of five words and then the end
    np.testing.assert_array_equal(found.ids[0, exists], free.ids[0, mine])
    for name in ("log_probs", "ranked_log_probs", "scores"):
        expected = getattr(free, name)[0, mine]
        np.testing.assert_allclose(getattr(found, name)[0, exists], expected, rtol=1e-5)


def test_a_prefix_that_the_rules_forbid_counts_as_if_there_were_none(network: Any) -> None:
    searches = open_searches(network)
    settings = dataclasses.replace(FREE, beam_size=1, ban_unk=True, no_repeat_ngram=1)
    found = ask(searches, settings, (UNK, 9, 9))
    assert found.ids[0, 0, :3].tolist() == [UNK, 9, 9]
    assert np.isfinite(found.ranked_log_probs[0, 0])
    assert not {*found.ids[0, 0, 3 : found.lengths[0, 0]].tolist()} & {*NO_WORDS, 9}


def test_a_recorded_search_finds_what_an_unrecorded_one_finds(network: Any) -> None:
    searches, (ids, lengths) = open_searches(network), pad([QUERY])
    settings = dataclasses.replace(FREE, beam_size=3)
    steps: list[Candidates] = []
    found = searches.search(ids.numpy(), lengths.numpy(), settings, (8,), steps)
    for mine, expected in zip(found, ask(searches, settings, (8,))):
        np.testing.assert_array_equal(mine, expected)
    assert steps[0].tokens.tolist() == [8]
    assert steps[0].kept == 1
    assert [len(step.tokens) for step in steps[1:3]] == [6, 6]


def test_replies_with_the_same_beginning_share_a_path() -> None:
    tree = Tree()
    assert tree.add_path([5, 6, EOS]) == [1, 2, 3]
    assert tree.add_path([5, 7]) == [1, 4]
    assert tree.add_path([5, 6, EOS]) == [1, 2, 3]
    assert tree.add_path([]) == []
    assert tree.parents == [-1, 0, 1, 2, 1]
    assert [*tree.list_levels()] == [[0], [1], [2]]


RULES = dataclasses.replace(FREE, ban_unk=True, no_repeat_ngram=1, min_reply_length=2)


@pytest.mark.parametrize("settings", [FREE, RULES])
def test_what_follows_each_node_is_what_the_oracle_computes(
    network: Any, settings: SearchConfig
) -> None:
    searches, (ids, lengths), tree = open_searches(network), pad([QUERY]), Tree()
    replies = [(5, 9, 8, EOS), (5, 9, EOS), (10, EOS), (5, 6)]
    paths = [tree.add_path(reply) for reply in replies]
    looks = searches.look(ids.numpy(), lengths.numpy(), tree, settings, 10)
    assert {*looks} == {node for node, after in enumerate(tree.children) if after}
    for reply, path in zip(replies, paths):
        _, logits = Network(network).decode(QUERY, reply)
        forced = searches.force(
            ids.numpy(), lengths.numpy(), np.array([[reply]]), np.array([[len(reply)]])
        )
        for time, (token, parent) in enumerate(zip(reply, [0, *path])):
            expected, found = log_softmax(logits[time]), looks[parent]
            assert found.log_probs[token] == pytest.approx(expected[token], abs=1e-4)
            np.testing.assert_allclose(found.attention, forced.alignments[0, 0, time], atol=1e-5)
            banned = list_banned(reply[:time], settings)
            kept = [x for word, x in enumerate(expected) if word not in banned]
            allowed = expected[token] - np.logaddexp.reduce(kept)
            assert found.allowed[token] == pytest.approx(
                -np.inf if token in banned else allowed, abs=1e-4
            )
            best = np.argsort(-expected)[:10].tolist()
            assert [word for word, _, _ in found.likeliest] == best
            assert [is_banned for _, _, is_banned in found.likeliest] == [
                word in banned for word in best
            ]
            np.testing.assert_allclose(
                [log_prob for _, log_prob, _ in found.likeliest], expected[best], atol=1e-4
            )


def list_banned(said: Sequence[int], settings: SearchConfig) -> set[int]:
    """What may not follow, for runs of at most one token."""
    if not settings.ban_unk:
        return set()
    return {*NO_WORDS, *said, *([EOS] if len(said) < settings.min_reply_length else [])}
