from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from chatbot.errors import ChatbotError
from chatbot.lite.interface import Step
from chatbot.lite.recording import make_tree
from chatbot.lite.replies import write_replies
from chatbot.lite.searches import Searches
from chatbot.network.inference import InferenceNetwork
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search import SearchGraphs
from chatbot.settings.config import SearchConfig
from chatbot.text import SPECIAL_TOKENS, Vocabulary
from tests.conftest import ATTENTIONS, QUERIES, make_config, pad, randomise
from tests.fakes import TableModel, TableNetwork, draw_table
from tests.lite_searches import EagerNetwork
from tests.oracles import list_variables

SIZE = 30
MORE_QUERIES = (*QUERIES, (6,), (10, 10, 5, 8), (9, 7), (20, 29, 5), (17,))

SEARCHES: list[dict[str, Any]] = [
    {},
    {"sample": True},
    {"sample": True, "top_p": 0.5},
    {"sample": True, "top_k": 5},
]


@pytest.fixture(scope="module", params=ATTENTIONS)
def wordy(request: pytest.FixtureRequest) -> Seq2Seq:
    """A model with more words than a beam is wide."""
    model = Seq2Seq(make_config(request.param), SIZE)
    randomise(list_variables(model), seed=2, scale=0.8)
    return model


def make_searches(model: Seq2Seq) -> Searches:
    return Searches(EagerNetwork(InferenceNetwork(model, "float32")))


def pad_arrays(queries: Any) -> tuple[Any, Any]:
    ids, lengths = pad(queries)
    return ids.numpy(), lengths.numpy()


def draw_settings(seed: int, attention: bool) -> SearchConfig:
    """Draws settings, many of which change something."""
    generator = np.random.default_rng(seed)

    def pick(*values: Any) -> Any:
        return values[generator.integers(len(values))]

    groups, longest = pick(1, 1, 2, 3), int(generator.integers(2, 9))
    return SearchConfig(
        beam_size=pick(1, groups, 2 * groups, 5 * groups),
        diverse_groups=groups,
        diversity_strength=pick(0.3, 2.0),
        max_reply_length=longest,
        min_reply_length=int(generator.integers(0, longest // 2 + 1)),
        no_repeat_ngram=pick(0, 0, 1, 2, 3),
        ban_unk=pick(True, False),
        length_penalty=pick(0.0, 0.7, 1.0),
        coverage_penalty=pick(0.0, 0.5) if attention else 0.0,
        mmi_weight=pick(0.0, 0.6),
        mmi_tokens=pick(1, 3, 40),
        sample=pick(True, False, False),
        temperature=pick(1.0, 0.6, 1.7),
        top_k=pick(0, 0, 1, 6),
        top_p=pick(1.0, 1.0, 0.4, 0.9),
        sampling_seed=int(generator.integers(100)),
    )


@pytest.mark.usefixtures("eagerly")
def test_every_search_finds_what_the_search_in_tensorflow_finds(wordy: Seq2Seq) -> None:
    queries, graphs = pad(MORE_QUERIES), SearchGraphs(wordy, "float32")
    searches = make_searches(wordy)
    for seed in range(16):
        settings = draw_settings(seed, wordy.config.use_attention)
        expected = [np.array(x) for x in graphs.search(*queries, settings)]
        found = searches.search(*pad_arrays(MORE_QUERIES), settings)
        for mine, theirs in zip(found, expected):
            assert mine.shape == theirs.shape
            assert mine.dtype == theirs.dtype
        exists = expected[2] > -np.inf
        np.testing.assert_array_equal(found.log_probs > -np.inf, exists)
        np.testing.assert_array_equal(found.ids[exists], expected[0][exists], str(settings))
        np.testing.assert_array_equal(found.lengths[exists], expected[1][exists])
        for mine, theirs in zip(found[2:], expected[2:]):
            np.testing.assert_allclose(mine, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("eagerly")
def test_given_replies_and_recorded_steps_are_those_of_tensorflow(wordy: Seq2Seq) -> None:
    graphs, searches = SearchGraphs(wordy, "float32"), make_searches(wordy)
    ids, lengths = np.array([[[5, 6, 7], [9, 0, 0]], [[8, 8, 0], [0, 0, 0]]]), [[3, 1], [2, 0]]
    given = ([*QUERIES[:2]], ids.astype(np.int32), lengths)
    theirs = graphs.force(*pad(given[0]), *given[1:])
    for mine, expected in zip(searches.force(*pad_arrays(given[0]), *given[1:]), theirs):
        np.testing.assert_allclose(mine, expected, atol=1e-5)
    for seed in range(5):
        settings = draw_settings(seed, attention=False)
        expected = graphs.record(*pad(QUERIES[:1]), settings)
        found = searches.record(*pad_arrays(QUERIES[:1]), settings)
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            np.testing.assert_array_equal(one.tokens, other.tokens)
            np.testing.assert_array_equal(one.parents, other.parents)
            np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-4)
            assert one.kept == other.kept
        assert make_tree(found, lambda row: [str(x) for x in row])[-1][0].ended


def test_threads_find_what_one_finds(find_model: Callable[[str], Seq2Seq]) -> None:
    searches = make_searches(find_model("luong"))
    asked = [draw_settings(seed, attention=True) for seed in range(24)]

    def search(settings: SearchConfig) -> Any:
        return searches.search(*pad_arrays(QUERIES), settings)

    alone = [search(settings) for settings in asked]
    with ThreadPoolExecutor(6) as pool:
        for mine, expected in zip(pool.map(search, asked), alone):
            for one, other in zip(mine, expected):
                np.testing.assert_array_equal(one, other)


class CountingNetwork(EagerNetwork):
    """Notes how many rows each step has."""

    def __init__(self, network: Any) -> None:
        super().__init__(network)
        self.rows: list[int] = []

    def advance(self, last_ids: Any, attended: Any, state: Any) -> Step:
        self.rows.append(len(last_ids))
        return super().advance(last_ids, attended, state)


@pytest.mark.parametrize("attention", ["luong", "none"])
@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_query_whose_replies_have_ended_takes_no_more_steps(
    find_model: Callable[[str], Seq2Seq], attention: str, beam_size: int
) -> None:
    network = CountingNetwork(InferenceNetwork(find_model(attention)))
    settings = SearchConfig(beam_size=beam_size, max_reply_length=12, ban_unk=False)
    steps = []
    for query in QUERIES:
        network.rows = []
        Searches(network).search(*pad_arrays([query]), settings)
        assert network.rows == [1, *[beam_size] * (len(network.rows) - 1)]
        steps.append(len(network.rows))
    network.rows = []
    Searches(network).search(*pad_arrays(QUERIES), settings)
    assert len(set(steps)) > 1
    going = [sum(count > time for count in steps) for time in range(max(steps))]
    assert network.rows == [going[0], *(count * beam_size for count in going[1:])]


@pytest.mark.parametrize("search", SEARCHES)
def test_a_query_that_no_reply_is_left_for_takes_no_more_steps(search: Any) -> None:
    network = CountingNetwork(TableNetwork(TableModel(draw_table(3, 4, 9, 8))))
    settings = SearchConfig(  # six different tokens, and there are only three
        beam_size=2, min_reply_length=6, no_repeat_ngram=1, max_reply_length=8, **search
    )
    found = Searches(network).search(*pad_arrays([[0], [1]]), settings)
    assert np.all(found.log_probs == -np.inf)
    assert len(network.rows) == 4


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("search", [*SEARCHES, {"mmi_weight": 0.5}])
@pytest.mark.parametrize("beam_size", [1, 3])
def test_weights_that_are_not_numbers_give_no_reply(
    value: float, search: Any, beam_size: int
) -> None:
    table = np.log(np.full([4, 4, 7, 7], 1 / 7))
    table[1:] = value
    searches = Searches(EagerNetwork(TableNetwork(TableModel(table))))
    settings = SearchConfig(beam_size=beam_size, max_reply_length=3, no_repeat_ngram=1, **search)
    found = searches.search(*pad_arrays([[0], [1]]), settings)
    assert np.all(found.log_probs[0, 0] > -np.inf)
    assert np.all(found.log_probs[1] == -np.inf)
    with pytest.raises(ChatbotError, match="the model's weights are not numbers"):
        write_replies(found, Vocabulary([*SPECIAL_TOKENS, "a", "b"]))


def test_nothing_but_numpy_is_imported() -> None:
    code = (
        "import sys, numpy; before = {*sys.modules}; "
        "import chatbot.lite.searches, chatbot.lite.replies; "
        "loaded = {name.partition('.')[0] for name in {*sys.modules} - before}; "
        "print(*loaded - {*sys.stdlib_module_names})"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout == "chatbot\n"
