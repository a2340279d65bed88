"""The pointer-generator against See et al.'s equations 8 and 9, in training and in replies."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.errors import ChatbotError
from chatbot.network.inference import InferenceNetwork
from chatbot.network.pointer_generator import LEAST
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search import FREE, BeamSearch, ForcedPass, Rules
from chatbot.search.rescoring import Rescoring, Weights
from chatbot.search.sampling import Choice, SamplingSearch
from chatbot.settings.config import ModelConfig
from chatbot.text import EOS, GO, SLOTS, UNK
from tests.conftest import IDS, LENGTHS, Pairs, U, V, make_config, make_pairs, pad, randomise
from tests.network.test_dropout import SEED
from tests.network.test_scores import assert_alone_as_in_a_batch
from tests.oracles import Network, Stepper, assert_gradients, list_variables, log_softmax, sigmoid
from tests.search.oracles import (
    count_replies,
    keep_rules,
    score_reply,
    search_exhaustively,
    search_greedily,
    search_in_groups,
    search_with_beam,
)
from tests.search.test_search import assert_same, read_row

QUERIES = ((7, V, 9, V + 1, V, 7), (8, 5), (V, UNK, 9, V + 1))  # V is there twice, as is 7
REPLIES = ((V, 9, V + 1, 7, EOS), (10, 8, EOS), (UNK, V + 1, V, EOS))
OWN = 2  # words of the longest query's own
KINDS = ("bahdanau", "luong", "multi_head", "coverage", "monotonic")
EACH_KIND = pytest.mark.parametrize("kind", KINDS)
SIZES = {"attention_heads": 2, "dropout": 0.0, "pointer_generator": True}


@functools.cache
def find_pointing(kind: str, **settings: Any) -> Any:
    """A model with random weights for each kind; leave them alone."""
    model: Any = Seq2Seq(make_config(kind, **{**SIZES, **settings}), V)
    randomise([*list_variables(model), *model.pointer.listed()], 30, scale=0.8)
    return model


@pytest.fixture
def pairs() -> Pairs:
    return make_pairs(QUERIES, REPLIES)


class Oracle(Network):
    """The formulas, over the vocabulary and the query's own words."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.gate, self.offset = (x.numpy().astype(np.float64) for x in model.pointer.listed())
        self.words = len(self.embedding)

    def forget(self, ids: Sequence[int]) -> list[int]:
        return [UNK if id_ >= self.words else id_ for id_ in ids]

    def decide(self, token: int, state: Any) -> float:
        """The probability that one step generates."""
        (joined,), attention = state.joined, self.attention
        if attention is not None and state.weights[0].ndim == 2:
            # The gate sees the heads' contexts side by side, the oracle's is their mixture.
            context = joined[self.size :] @ np.linalg.inv(attention.output_layer)
            joined = np.concatenate([joined[: self.size], context])
        word = self.embedding[self.forget([token])[0]]
        return float(sigmoid(np.concatenate([joined, word]) @ self.gate + self.offset)[0])

    def compute(self, query: Sequence[int], token: int, output: Any, state: Any) -> Any:
        """P of one step, `[V + OWN]`."""
        p, weights = self.decide(token, state), state.weights[0]
        weights = weights.mean(axis=0) if weights.ndim == 2 else weights
        found = np.zeros(self.words + OWN)
        found[: self.words] = p * np.exp(log_softmax(output @ self.kernel + self.bias))
        for place, share in zip(query, weights / weights.sum()):
            found[place] += (1 - p) * share
        return found

    def stepper(self, query: Sequence[int]) -> Stepper:
        memory, start = self.encode(self.forget(query))

        def advance(state: Any, token: int) -> tuple[Any, Any]:
            row = self.embedding[self.forget([token])]
            output, after = self.step(memory, state or start, row)
            with np.errstate(divide="ignore"):
                return after, np.log(self.compute(query, token, output[0], after))

        return advance

    def token_losses(self, query: Any, reply: Any, *_: Any) -> Any:
        advance, state, losses = self.stepper(query), None, []
        for last, token in zip([GO, *reply[:-1]], reply):
            state, log_probs = advance(state, last)
            losses.append(-log_probs[token])
        return np.array(losses)


def list_losses(oracle: Oracle) -> Any:
    rows = [oracle.token_losses(query, reply) for query, reply in zip(QUERIES, REPLIES)]
    return np.concatenate(rows)


@EACH_KIND
def test_losses_are_those_of_the_formulas(kind: str, pairs: Pairs) -> None:
    model = find_pointing(kind)
    losses = model.token_log_losses(*pairs)
    np.testing.assert_allclose(losses, list_losses(Oracle(model)), atol=5e-5)
    assert losses.dtype == tf.float32
    smoothed = model.token_log_losses(*pairs, label_smoothing=0.3)
    np.testing.assert_allclose(smoothed, losses, atol=1e-5)  # which the gradient alone sees


@EACH_KIND
def test_each_step_gives_every_word_its_probability_and_they_add_up_to_1(kind: str) -> None:
    model = find_pointing(kind)
    network, oracle = InferenceNetwork(model), Oracle(model)
    attended, state = network.start(*pad(QUERIES))
    states: list[Any] = [None] * len(QUERIES)
    for token in (GO, V, 8, V + 1):
        outputs, state, _ = network.advance(tf.fill([len(QUERIES)], token), attended, state)
        found = network.project(outputs).numpy()
        assert found.shape == (len(QUERIES), network.width)
        np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0, atol=1e-5)
        for row, query in enumerate(QUERIES):
            states[row], expected = oracle.stepper(query)(states[row], token)
            inside = np.isfinite(expected)
            np.testing.assert_array_equal(np.isfinite(found[row, : V + OWN]), inside)
            np.testing.assert_allclose(
                found[row, : V + OWN][inside], expected[inside], rtol=1e-4, atol=5e-5
            )
            assert np.all(found[row, V + OWN :] == -np.inf)


def test_the_outputs_are_their_own_log_softmax() -> None:
    network = InferenceNetwork(find_pointing("luong"))
    attended, state = network.start(*pad(QUERIES))
    found = network.project(network.advance(tf.constant([GO] * 3), attended, state)[0])
    np.testing.assert_allclose(tf.nn.log_softmax(found), found, atol=1e-5)


@EACH_KIND
def test_gradients_equal_finite_differences_of_the_formulas(kind: str, pairs: Pairs) -> None:
    model: Any = Seq2Seq(find_pointing(kind).config, V)
    variables = [*model.pointer.listed(), *list_variables(model)]
    for variable, other in zip(variables[2:], list_variables(find_pointing(kind))):
        variable.assign(other)
    randomise(variables[:2], 5, 0.8)
    with tf.GradientTape() as tape:
        loss = model.loss(*pairs)
    gradients = [tf.convert_to_tensor(x).numpy() for x in tape.gradient(loss, variables)]
    assert all(np.abs(gradient).max() > 1e-7 for gradient in gradients)
    generator = np.random.default_rng(3)

    def measure() -> float:
        return float(list_losses(Oracle(model)).mean())

    assert_gradients(variables, gradients, measure, generator, rel=3e-3, absolute=3e-7)


def test_label_smoothing_smooths_what_the_vocabulary_generates(pairs: Pairs) -> None:
    model, smoothing = find_pointing("luong"), 0.3
    bias = model.projection.bias
    with tf.GradientTape() as tape:
        losses = model.token_log_losses(*pairs, label_smoothing=smoothing)
    found = tape.gradient(losses, bias).numpy()
    oracle, expected = Oracle(model), np.zeros(V)
    for query, reply in zip(QUERIES, REPLIES):
        memory, state = oracle.encode(oracle.forget(query))
        for last, token in zip([GO, *reply[:-1]], reply):
            output, state = oracle.step(memory, state, oracle.embedding[oracle.forget([last])])
            q = np.exp(log_softmax(output[0] @ oracle.kernel + oracle.bias))
            if token < V:
                generated = oracle.decide(last, state) * q[token]
                total = oracle.compute(query, last, output[0], state)[token]
                wanted = (1 - smoothing) * np.eye(V)[token] + smoothing / V
                expected += generated / total * (q - wanted)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert np.abs(found).max() > 0.1


def test_a_graph_computes_and_differentiates_as_eagerly(pairs: Pairs) -> None:
    model = find_pointing("multi_head", residual=True, bidirectional=True)

    def differentiate(*given: Any) -> Any:
        with tf.GradientTape() as tape:
            losses = model.token_log_losses(*given)
        gradients = tape.gradient(losses, model.trainable_variables)
        return losses, [tf.convert_to_tensor(x) for x in gradients]

    traced = tf.function(differentiate, input_signature=(IDS, LENGTHS) * 2, autograph=False)
    for mine, other in zip(tf.nest.flatten(traced(*pairs)), tf.nest.flatten(differentiate(*pairs))):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(traced(*pairs)[0], list_losses(Oracle(model)), atol=5e-5)


@pytest.mark.needs_bfloat16
def test_bfloat16_is_near_and_its_probabilities_add_up_to_1(pairs: Pairs) -> None:
    exact = find_pointing("luong")
    small = Seq2Seq(exact.config, V, precision="bfloat16")
    for variable, other in zip(small.trainable_variables, exact.trainable_variables):
        variable.assign(other)
    with tf.GradientTape() as tape:
        losses = small.token_log_losses(*pairs)
    np.testing.assert_allclose(losses, exact.token_log_losses(*pairs), atol=0.25)
    gradients = tape.gradient(losses, small.trainable_variables)
    assert all(np.isfinite(tf.convert_to_tensor(x)).all() for x in gradients)
    network = InferenceNetwork(small, "bfloat16")
    run = tf.function(lambda *given: walk(network, *given), autograph=False)
    found = run(*pairs)
    np.testing.assert_allclose(-losses, found, atol=0.25)
    attended, state = network.start(*pairs[:2])
    outputs = network.advance(tf.constant([GO] * 3), attended, state)[0]
    np.testing.assert_allclose(np.exp(network.project(outputs)).sum(axis=1), 1.0, atol=1e-5)


def walk(network: InferenceNetwork, *pairs: Any) -> Any:
    """The log probabilities of the replies' tokens, row after row."""
    queries, query_lengths, ids, lengths = pairs
    given = ids[:, tf.newaxis], lengths[:, tf.newaxis] - 1
    forced = ForcedPass(network)(queries, query_lengths, *given)
    return tf.boolean_mask(forced.log_probs[:, 0], tf.sequence_mask(lengths, ids.shape[1]))


@EACH_KIND
def test_a_walk_through_given_replies_scores_what_training_measures(
    kind: str, pairs: Pairs
) -> None:
    model = find_pointing(kind)
    found = walk(InferenceNetwork(model), *pairs)
    np.testing.assert_allclose(found, -model.token_log_losses(*pairs), atol=5e-5)


@EACH_KIND
def test_searches_find_what_the_formulas_find(kind: str) -> None:
    model = find_pointing(kind)
    oracle, search, queries = Oracle(model), BeamSearch(InferenceNetwork(model)), pad(QUERIES)
    greedy, beam = (search(*queries, 5, 1.0, width) for width in (1, 3))
    everything = search(*queries, 2, 1.0, count_replies(2, V + OWN))
    for row, query in enumerate(QUERIES):
        advance = oracle.stepper(query)
        words, log_prob = search_greedily(advance, 5)
        assert_same(read_row(greedy, row), {words: log_prob}, atol=1e-4)
        assert_same(read_row(beam, row), search_with_beam(advance, 5, 3), atol=1e-4)
        expected = search_exhaustively(advance, 2, V + OWN)
        real = {words: x for words, x in expected.items() if x > -np.inf}
        assert_same(read_row(everything, row), real, atol=3e-4)
        assert row == 1 or any({*words} & {V, V + 1} for words in real)


def test_rules_groups_and_samples_go_by_the_mixture() -> None:
    model = find_pointing("luong")
    oracle, network, queries = Oracle(model), InferenceNetwork(model), pad(QUERIES)
    found = BeamSearch(network)(*queries, 5, 1.0, 1, Rules(3, 2, True))
    for row, query in enumerate(QUERIES):
        words, _ = search_greedily(keep_rules(oracle.stepper(query), 3, 2, True), 5)
        ((mine, log_prob),) = read_row(found, row).items()
        assert mine == words
        assert log_prob == pytest.approx(score_reply(oracle.stepper(query), words), abs=1e-4)
    from chatbot.search.diverse import DiverseSearch

    groups = DiverseSearch(network, 2, 1.5)(*queries, 4, 1.0, 4)
    for row, query in enumerate(QUERIES):
        expected = search_in_groups(oracle.stepper(query), 4, 4, 2, 1.5)
        assert_same(read_row(groups, row), expected, atol=1e-4)
    numbers = np.random.default_rng(2).random([3, 40, 4]).astype(np.float32)
    samples = SamplingSearch(network)(*queries, numbers, 1.0, Choice(1.0, 0, 1.0), FREE)
    assert set(np.unique(samples.ids)) <= {*range(V + OWN)}
    assert {V, V + 1} <= set(np.unique(samples.ids))
    for row, query in enumerate(QUERIES):
        for place in range(0, 40, 8):
            words = samples.ids[row, place, : samples.lengths[row, place]].numpy().tolist()
            expected_log_prob = score_reply(oracle.stepper(query), words)
            assert float(samples.log_probs[row, place]) == pytest.approx(
                expected_log_prob, abs=1e-4
            )


def test_by_mmi_a_copied_word_counts_as_unknown() -> None:
    model = find_pointing("luong")
    network, oracle = InferenceNetwork(model), Oracle(model)
    found = BeamSearch(network)(*pad(QUERIES[:1]), 4, 0.0, 4)
    assert np.any(found.ids.numpy() >= V)
    rescored = Rescoring(network)(*pad(QUERIES[:1]), found, Weights(0.0, 0.0, 0.5, 9))
    plain, scored = (
        {tuple(ids[:n]): s for ids, n, s in zip(x.ids[0].numpy(), x.lengths[0], x.scores[0])}
        for x in (found, rescored)
    )
    for words, score in scored.items():
        common = score_reply(oracle.stepper([UNK]), oracle.forget(words))
        assert float(score) == pytest.approx(float(plain[words]) - 0.5 * common, abs=2e-4)


def test_a_pair_alone_has_what_it_has_in_a_padded_batch() -> None:
    assert_alone_as_in_a_batch(find_pointing("bahdanau"), [*zip(QUERIES, REPLIES)])


def test_slots_are_names_without_a_meaning(pairs: Pairs) -> None:
    model, swap = find_pointing("luong"), {V: V + 7, V + 1: V + SLOTS - 1}
    renamed = make_pairs(
        *([[swap.get(n, n) for n in row] for row in x] for x in (QUERIES, REPLIES))
    )
    found = model.token_log_losses(*renamed)
    np.testing.assert_array_equal(found, model.token_log_losses(*pairs))
    network = InferenceNetwork(model)
    np.testing.assert_allclose(walk(network, *renamed), walk(network, *pairs), atol=1e-6)


def test_a_word_that_nothing_looks_at_is_unlikely_and_not_impossible() -> None:
    model = Seq2Seq(find_pointing("luong").config, V)
    randomise(list_variables(model), 30, scale=30.0)  # weights of 0 and 1
    pairs = make_pairs([(7, V, 9, V + 1)], [(V, V + 1, EOS)])
    with tf.GradientTape() as tape:
        losses = model.token_log_losses(*pairs)
    copied = losses.numpy()[:2]
    assert 10.0 < copied.max() < -2 * np.log(LEAST)
    gradients = tape.gradient(losses, model.trainable_variables)
    assert all(np.isfinite(tf.convert_to_tensor(x)).all() for x in gradients)
    found = walk(InferenceNetwork(model), *pairs)[:2]
    np.testing.assert_allclose(found, -copied, rtol=1e-3, atol=1e-4)


def test_guesses_of_scheduled_sampling_come_from_the_mixture(pairs: Pairs) -> None:
    model = find_pointing("luong")
    oracle, rows = Oracle(model), []
    for query, reply in zip(QUERIES, REPLIES):
        advance, state, guesses = oracle.stepper(query), None, []
        for last in [GO, *reply[:-1]]:
            state, log_probs = advance(state, last)
            guesses.append(int(np.argmax(log_probs)))
        state = None
        for last, token in zip([GO, *guesses[:-1]], reply):
            state, log_probs = advance(state, last)
            rows.append(-log_probs[token])
    losses = model.token_log_losses(*pairs, SEED, sampling=tf.constant(1.0))
    np.testing.assert_allclose(losses, rows, atol=5e-5)
    assert np.abs(losses - model.token_log_losses(*pairs)).max() > 0.01


def test_the_coverage_loss_is_added_to_the_gradient_alone(pairs: Pairs) -> None:
    model = find_pointing("coverage")
    plain = model.token_log_losses(*pairs)
    np.testing.assert_array_equal(model.token_log_losses(*pairs, coverage_loss=1.0), plain)
    with tf.GradientTape(persistent=True) as tape:
        losses = [model.token_log_losses(*pairs, coverage_loss=x) for x in (0.0, 1.0)]
    found = [tape.gradient(x, model.decoder.attention_layer.kernel) for x in losses]
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_dropped_words_of_the_query_can_still_be_copied(pairs: Pairs) -> None:
    model = Seq2Seq(find_pointing("luong", word_dropout=0.99).config, V)
    for variable, other in zip(
        model.trainable_variables, find_pointing("luong").trainable_variables
    ):
        variable.assign(other)
    losses = model.token_log_losses(*pairs, SEED)
    assert np.all(losses.numpy() < 30.0)


def test_saved_and_restored_it_has_the_same_losses(pairs: Pairs, tmp_path: Path) -> None:
    model = find_pointing("luong")
    saved = tf.train.Checkpoint(model=model).write(str(tmp_path / "saved"))
    other = Seq2Seq(model.config, V, seed=9)
    tf.train.Checkpoint(model=other).read(saved).assert_consumed()
    np.testing.assert_array_equal(model.token_log_losses(*pairs), other.token_log_losses(*pairs))


def test_without_it_a_network_begins_and_is_saved_as_ever() -> None:
    plain, pointing = (
        Seq2Seq(make_config("luong", pointer_generator=on), V, seed=3) for on in (False, True)
    )
    assert plain.pointer is None
    *shared, kernel, bias = pointing.trainable_variables
    assert len(shared) == len(plain.trainable_variables)
    for mine, other in zip(plain.trainable_variables, shared):
        np.testing.assert_array_equal(mine, other)
    assert (kernel.shape, bias.shape) == ([2 * U + 6, 1], [1])
    network = InferenceNetwork(plain)
    assert (network.slots, network.vocab_size) == (0, V)


def test_it_needs_attention() -> None:
    said = r"^--pointer_generator copies what --use_attention looks at; give both or neither$"
    with pytest.raises(ChatbotError, match=said):
        ModelConfig(use_attention=False, pointer_generator=True)
