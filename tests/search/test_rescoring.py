from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from chatbot.network.inference import InferenceNetwork
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search import BeamSearch, ForcedPass, Hypotheses, Rescoring, Rules, Weights
from chatbot.text import EOS, UNK
from tests.conftest import QUERIES, B, Pairs, make_pairs
from tests.fakes import TableModel, TableNetwork
from tests.lite_searches import LiteForced, LiteRescoring
from tests.oracles import Network
from tests.search.oracles import score_normalised
from tests.search.test_search import read_row

W = 4


class Searches(NamedTuple):
    forced: Any
    rescoring: Any


@pytest.fixture(params=[Searches(ForcedPass, Rescoring), Searches(LiteForced, LiteRescoring)])
def searches(request: pytest.FixtureRequest) -> Any:
    return request.param


def find_some(model: Seq2Seq, pairs: Pairs) -> Hypotheses:
    return BeamSearch(InferenceNetwork(model))(*pairs[:2], 6, 1.0, W, Rules(0, 0, True))


def list_replies(found: Hypotheses, row: int) -> list[list[int]]:
    ids, lengths = found.ids[row].numpy(), found.lengths[row].numpy()
    return [words[:length].tolist() for words, length in zip(ids, lengths)]


def test_forced_log_probs_are_the_token_losses(
    searches: Searches, model: Seq2Seq, pairs: Pairs
) -> None:
    found = find_some(model, pairs)
    forced = searches.forced(InferenceNetwork(model))(*pairs[:2], found.ids, found.lengths)
    np.testing.assert_allclose(tf.reduce_sum(forced.log_probs, axis=2), found.log_probs, atol=2e-4)
    for row, query in enumerate(QUERIES):
        for place, words in enumerate(list_replies(found, row)):
            given = make_pairs([query], [(*words, EOS)])
            losses = model.token_log_losses(*given).numpy()
            mine = forced.log_probs[row, place].numpy()
            np.testing.assert_allclose(mine[: len(losses)], -losses, atol=1e-4)
            assert np.all(mine[len(losses) :] == 0.0)


@pytest.mark.parametrize("attention", ["bahdanau", "luong"])
def test_alignments_are_the_attention_of_the_same_reply(
    searches: Searches, find_model: Any, pairs: Pairs, attention: str
) -> None:
    model = find_model(attention)
    found = find_some(model, pairs)
    forced = searches.forced(InferenceNetwork(model))(*pairs[:2], found.ids, found.lengths)
    for row, query in enumerate(QUERIES):
        for place, words in enumerate(list_replies(found, row)):
            expected = Network(model).look(query, (*words, EOS))
            mine = forced.alignments[row, place].numpy()
            steps = len(words) + 1
            np.testing.assert_allclose(mine[:steps, : len(query)], expected, atol=1e-5)
            assert np.all(mine[steps:] == 0.0)
            assert np.all(np.abs(mine[:, len(query) :]) < 1e-12)


def test_without_attention_there_are_no_alignments(
    searches: Searches, find_model: Any, pairs: Pairs
) -> None:
    model = find_model("none")
    found = find_some(model, pairs)
    forced = searches.forced(InferenceNetwork(model))(*pairs[:2], found.ids, found.lengths)
    assert forced.alignments.shape == (*found.ids.shape[:2], np.max(found.lengths) + 1, 0)


@pytest.mark.parametrize("weights", [Weights(1.0, 0.7, 0.0, 5), Weights(0.5, 3.0, 0.0, 5)])
@pytest.mark.parametrize("attention", ["bahdanau", "luong"])
def test_coverage_is_the_stated_formula(
    searches: Searches, find_model: Any, pairs: Pairs, attention: str, weights: Weights
) -> None:
    model = find_model(attention)
    found = find_some(model, pairs)
    scored = searches.rescoring(InferenceNetwork(model))(*pairs[:2], found, weights)
    for row, query in enumerate(QUERIES):
        expected = {}
        for words, log_prob in zip(list_replies(found, row), found.ranked_log_probs[row]):
            seen = Network(model).look(query, (*words, EOS)).sum(axis=0)
            covered = float(np.sum(np.log(np.minimum(seen, 1.0))))
            score = score_normalised(float(log_prob), len(words), weights.length_penalty)
            expected[tuple(words)] = score + weights.coverage_penalty * covered
        check_order(scored, row, expected)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_mmi_takes_off_what_is_likely_for_an_empty_query(
    searches: Searches, model: Seq2Seq, pairs: Pairs, count: int
) -> None:
    found = find_some(model, pairs)
    scored = searches.rescoring(InferenceNetwork(model))(
        *pairs[:2], found, Weights(1.0, 0.0, 0.8, count)
    )
    for row in range(B):
        expected = {}
        for words, log_prob in zip(list_replies(found, row), found.ranked_log_probs[row]):
            losses = Network(model).token_losses([UNK], (*words, EOS))
            rest = float(log_prob) + 0.8 * float(np.sum(losses[:count]))
            expected[tuple(words)] = score_normalised(rest, len(words), 1.0)
        check_order(scored, row, expected)


def check_order(scored: Hypotheses, row: int, expected: dict[tuple[int, ...], float]) -> None:
    best_first = sorted(expected.values(), reverse=True)
    np.testing.assert_allclose(scored.scores[row], best_first, atol=5e-4)
    for words, score in zip(list_replies(scored, row), scored.scores[row].numpy()):
        assert expected[tuple(words)] == pytest.approx(score, abs=5e-4)


def test_mmi_by_hand_lets_a_specific_reply_win(searches: Searches) -> None:
    """To this query 5 is likelier than 6; but 5 is what one says to anything."""
    table = np.full([4, 2, 7, 7], 1e-9)
    table[:, :, :, 0] = [[[0.2], [0.1]], [[1.0], [0.1]], [[1.0], [0.1]], [[0.39], [0.1]]]
    table[0, 0, :, 5:] = 0.5, 0.3
    table[UNK, 0, :, 5:] = 0.6, 0.01
    table[:, 1, :, EOS] = 0.9
    model: Any = TableModel(np.log(table))
    network = TableNetwork(model)
    queries = (tf.constant([[0]]), tf.constant([1]))
    found = BeamSearch(network)(*queries, 1, 0.0, 2)
    assert list(read_row(found, 0)) == [(5,), (6,)]
    scored = searches.rescoring(network)(*queries, found, Weights(0.0, 0.0, 1.0, 1))
    assert list(read_row(scored, 0)) == [(6,), (5,)]
    by_hand = [np.log(0.3 * 0.9) - np.log(0.01), np.log(0.5 * 0.9) - np.log(0.6)]
    np.testing.assert_allclose(scored.scores[0], by_hand, atol=1e-5)
    np.testing.assert_allclose(scored.log_probs[0], np.log([0.3 * 0.9, 0.5 * 0.9]), atol=1e-5)
    weak = searches.rescoring(network)(*queries, found, Weights(0.0, 0.0, 0.05, 1))
    assert list(read_row(weak, 0)) == [(5,), (6,)]


def test_places_without_a_reply_stay_last(
    searches: Searches, find_model: Any, pairs: Pairs
) -> None:
    model = find_model("luong")
    network = InferenceNetwork(model)
    found = BeamSearch(network)(*pairs[:2], 1, 1.0, 40)
    missing = np.isneginf(found.log_probs.numpy())
    assert missing.any()
    scored = searches.rescoring(network)(*pairs[:2], found, Weights(1.0, 0.5, 0.5, 2))
    np.testing.assert_array_equal(np.isneginf(scored.scores.numpy()), missing)
    assert np.all(np.diff(np.where(missing, -1e9, scored.scores.numpy()), axis=1) <= 0)
