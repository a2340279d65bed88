from __future__ import annotations

import numpy as np
import pytest

from chatbot.lite.sampling import draw_numbers
from chatbot.lite.searches import Searches
from chatbot.settings.config import SearchConfig
from tests.fakes import TableModel, TableNetwork, draw_table
from tests.lite_searches import EagerNetwork
from tests.oracles import log_softmax


def test_numbers_depend_on_the_query_and_the_seed_alone() -> None:
    queries = [[5, 6], [5, 6, 7], [6, 5]]
    together = draw_numbers(queries, seed=3, replies=4, longest=5)
    assert together.shape == (3, 4, 5)
    assert together.dtype == np.float32
    for row, query in enumerate(queries):
        np.testing.assert_array_equal(draw_numbers([query], 3, 4, 5)[0], together[row])
    assert np.all((together >= 0.0) & (together < 1.0))
    everything = [*together.ravel(), *draw_numbers(queries, 4, 4, 5).ravel()]
    assert len(set(everything)) > 0.99 * len(everything)
    assert abs(np.mean(draw_numbers([[5]], 1, 100, 100)) - 0.5) < 0.01


def test_a_nucleus_of_many_tokens_is_found_whole() -> None:
    size = 700  # more than are looked at first
    model = TableModel(log_softmax(draw_table(1, 1, 2, size) / 2))  # not so far from equal
    searches = Searches(EagerNetwork(TableNetwork(model)))
    settings = SearchConfig(
        beam_size=1000, max_reply_length=1, sample=True, top_p=0.8, ban_unk=False
    )
    found = searches.search(np.array([[0]], np.int32), np.array([1], np.int32), settings)
    _, log_probs = model.stepper(0)(None, 1)
    order = np.argsort(-log_probs)
    nucleus = order[: 1 + np.searchsorted(np.cumsum(np.exp(log_probs[order])), 0.8)]
    said = set(found.ids[0, :, 0].tolist())
    assert 256 < len(said) < len(nucleus) < size
    assert said <= set(nucleus.tolist())


@pytest.mark.parametrize("replies", [1, 2])
def test_a_query_among_many_gets_the_samples_it_gets_alone(replies: int) -> None:
    searches = Searches(EagerNetwork(TableNetwork(TableModel(draw_table(4, 9, 9, 6)))))
    settings = SearchConfig(beam_size=replies, max_reply_length=8, sample=True)
    ids, lengths = np.arange(9, dtype=np.int32)[:, np.newaxis], np.ones(9, np.int32)
    together = searches.search(ids, lengths, settings)
    assert len(set(together.lengths.ravel().tolist())) > 3
    for row in range(9):
        alone = searches.search(ids[row : row + 1], lengths[:1], settings)
        np.testing.assert_array_equal(alone.lengths[0], together.lengths[row])
        steps = alone.ids.shape[2]
        np.testing.assert_array_equal(alone.ids[0], together.ids[row, :, :steps])
        np.testing.assert_allclose(alone.log_probs[0], together.log_probs[row], atol=1e-5)
