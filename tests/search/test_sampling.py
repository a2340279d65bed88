from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot.lite.rules import NO_WORDS
from chatbot.lite.sampling import draw_numbers
from chatbot.network.inference import GROUP, InferenceNetwork
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search import FREE, Choice, Rules, SamplingSearch, sampling
from chatbot.search.sampling import draw, invert
from tests import lite_searches
from tests.conftest import QUERIES, B, Pairs, pad
from tests.fakes import TableModel, TableNetwork, draw_table
from tests.oracles import Network, log_softmax, softmax
from tests.search.oracles import score_reply, search_greedily
from tests.search.test_search import assert_ranked

ALL = Choice(1.0, 0, 1.0)
CHOICES = [
    ALL,
    Choice(0.5, 0, 1.0),
    Choice(2.0, 5, 1.0),
    Choice(1.0, 0, 0.7),
    Choice(0.8, 6, 0.6),
    Choice(1.0, 1, 1.0),
]
FAR_OUT = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52, 6: 22.46, 7: 24.32, 8: 26.12, 9: 27.88}
"""{degrees of freedom: what chi-squared exceeds once in a thousand times}."""
DRAWS = 40_000


@pytest.fixture(scope="module", params=[SamplingSearch, lite_searches.LiteSampling])
def sampler(request: pytest.FixtureRequest) -> Any:
    return request.param


def find_chances(logits: Any, choice: Choice) -> Any:
    """What each token's chance has to be, from the definitions."""
    chances = softmax(np.asarray(logits, np.float64) / choice.temperature)
    order = np.argsort(-chances, kind="stable")
    if choice.top_k:
        chances[order[choice.top_k :]] = 0.0
        chances /= chances.sum()
    together = 0.0
    for token in order:
        if together >= choice.top_p:
            chances[token] = 0.0
        together += chances[token]
    return chances / chances.sum()


def draw_many(draw: Any, logits: Any, choice: Choice, seed: int) -> Any:
    numbers = np.random.default_rng(seed).random(DRAWS, np.float32)
    rows = tf.tile(tf.constant(logits, tf.float32)[tf.newaxis], [DRAWS, 1])
    return np.array(draw(rows, tf.constant(numbers), choice))


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("draw", [draw, lite_searches.draw])
def test_tokens_come_as_often_as_their_chances_say(draw: Any, choice: Choice, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 1, 10)
    chances = find_chances(logits, choice)
    counts = np.bincount(draw_many(draw, logits, choice, seed), minlength=10)
    assert np.all(counts[chances == 0.0] == 0)
    allowed = chances > 0.0
    expected = DRAWS * chances[allowed]
    surprise = float(np.sum((counts[allowed] - expected) ** 2 / expected))
    freedom = int(allowed.sum()) - 1
    assert surprise < FAR_OUT[freedom] if freedom else counts[allowed] == DRAWS


def test_the_choices_differ() -> None:
    logits = np.random.default_rng(1).normal(0, 1, 10)
    supports = [int(np.sum(find_chances(logits, choice) > 0.0)) for choice in CHOICES]
    assert supports[:2] == [10, 10]
    assert supports[2] == 5
    assert supports[5] == 1
    assert 1 < supports[3] < 10
    assert 1 < supports[4] < 6


@pytest.mark.parametrize("top_p", [0.3, 0.9, 0.999])
def test_a_nucleus_among_few_equals_one_among_all(
    monkeypatch: pytest.MonkeyPatch, top_p: float
) -> None:
    generator = np.random.default_rng(6)
    logits = tf.constant(generator.normal(0, 2, [30, 5 * GROUP]), tf.float32)
    numbers = tf.constant(generator.random(30), tf.float32)
    drawn = []
    for few in (3, 64, 5 * GROUP):
        monkeypatch.setattr(sampling, "FEW", few)
        drawn.append(draw(logits, numbers, Choice(1.0, 0, top_p)).numpy().tolist())
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(set(drawn[0])) > 5


@pytest.mark.parametrize("invert", [invert, lite_searches.invert])
@given(
    st.lists(st.sampled_from([0.0, 0.0, 1e-9, 0.1, 0.5, 3.0]), min_size=1, max_size=9),
    st.floats(0.0, 1.0, exclude_max=True, width=32),
)
def test_a_place_without_weight_is_never_drawn(
    invert: Any, weights: list[float], number: float
) -> None:
    if not any(weights):
        weights[0] = 1.0
    place = int(invert(tf.constant([weights], tf.float32), tf.constant([number], tf.float32))[0])
    assert weights[place] > 0.0
    before = sum(weights[:place]) / sum(weights)
    after = sum(weights[: place + 1]) / sum(weights)
    assert before - 1e-6 <= number <= after + 1e-6


def test_sampling_without_chance_is_greedy_search(
    sampler: Any, model: Seq2Seq, pairs: Pairs
) -> None:
    choice = Choice(3.0, 1, 1.0)
    numbers = draw_numbers(QUERIES, 1, 2, 8)
    found = sampler(InferenceNetwork(model))(*pairs[:2], numbers, 1.0, choice)
    for row, query in enumerate(QUERIES):
        words, log_prob = search_greedily(Network(model).stepper(query), 8)
        for ids, length, mine in zip(*(np.asarray(x[row]) for x in found[:3])):
            assert tuple(ids[:length].tolist()) == words
            assert mine == pytest.approx(log_prob, abs=1e-4)


@pytest.mark.parametrize("rules", [FREE, Rules(2, 2, True)])
@pytest.mark.parametrize("choice", [ALL, Choice(1.5, 0, 0.9), Choice(0.7, 4, 1.0)])
def test_log_probs_are_the_models_own_and_alone_equals_together(
    sampler: Any, model: Seq2Seq, pairs: Pairs, choice: Choice, rules: Rules
) -> None:
    search = sampler(InferenceNetwork(model))
    together = search(*pairs[:2], draw_numbers(QUERIES, 9, 5, 6), 1.0, choice, rules)
    assert_ranked(together, 1.0)
    assert len({tuple(row) for row in together.ids.numpy().reshape(5 * B, -1).tolist()}) > B
    for row, query in enumerate(QUERIES):
        advance = Network(model).stepper(query)
        for ids, length, mine in zip(*(np.asarray(x[row]) for x in together[:3])):
            words = ids[:length].tolist()
            assert mine == pytest.approx(score_reply(advance, words), abs=2e-4)
            assert len(words) >= rules.min_reply_length
            assert not (rules.ban_unk and set(NO_WORDS) & set(words))
        alone = search(*pad([query]), draw_numbers([query], 9, 5, 6), 1.0, choice, rules)
        np.testing.assert_array_equal(alone.lengths[0], together.lengths[row])
        np.testing.assert_allclose(alone.log_probs[0], together.log_probs[row], atol=1e-4)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_whole_replies_come_as_often_as_the_model_says(sampler: Any, seed: int) -> None:
    model: Any = TableModel(log_softmax(draw_table(seed, 1, 3, 6) / 2))  # not so far from equal
    numbers = np.random.default_rng(seed).random([1, 4000, 2], np.float32)
    found = sampler(TableNetwork(model))(tf.constant([[0]]), tf.constant([1]), numbers, 0.0, ALL)
    replies: dict[tuple[int, ...], int] = {}
    for ids, length in zip(found.ids[0].numpy(), found.lengths[0].numpy()):
        words = tuple(ids[:length].tolist())
        replies[words] = replies.get(words, 0) + 1
    advance = model.stepper(0)
    for words, count in replies.items():
        chance = find_cut_chance(advance, words)
        spread = np.sqrt(4000 * chance * (1 - chance))
        assert abs(count - 4000 * chance) < 6 * spread + 1


def find_cut_chance(advance: Any, words: tuple[int, ...]) -> float:
    """The chance of a reply where one of two tokens is cut, and closed for certain."""
    if len(words) < 2:
        return float(np.exp(score_reply(advance, words)))
    state, first = advance(None, 1)
    _, second = advance(state, words[0])
    return float(np.exp(first[words[0]] + second[words[1]]))


def test_a_sample_that_cannot_go_on_is_none(sampler: Any) -> None:
    model: Any = TableModel(draw_table(5, 1, 9, 6))
    numbers = np.random.default_rng(1).random([1, 4, 8], np.float32)
    asked = (tf.constant([[0]]), tf.constant([1]), numbers, 1.0, ALL)
    found = sampler(TableNetwork(model))(*asked, Rules(7, 1, True))
    assert np.all(np.isneginf(found.log_probs))
    assert np.all(np.isfinite(sampler(TableNetwork(model))(*asked).log_probs))
