"""Turns of other dialogues before pairs: which, how many, and when."""

from __future__ import annotations

import numpy as np
import pytest

from chatbot.dataset import Batch, EncodedCorpus, EncodingConfig
from chatbot.dataset.random_contexts import RandomContexts
from chatbot.text import EOS, SEP, Vocabulary
from tests.dataset.test_contexts import encode

PAIRS = [(letter, letter * 2) for letter in "abcdefghijklmnop"]
LONG = ("1", "2", "3", "4", "5")
TURNS = 3


@pytest.fixture(scope="module", name="encoded")
def make_encoded(tmp_path_factory: pytest.TempPathFactory) -> tuple[EncodedCorpus, Vocabulary]:
    place = tmp_path_factory.mktemp("random") / "encoded"
    vocabulary = encode(place, [*PAIRS, LONG], EncodingConfig(context_turns=TURNS))
    return EncodedCorpus(place, "train", len(vocabulary)), vocabulary


def list_queries(batch: Batch) -> list[list[int]]:
    return [row[:n].tolist() for row, n in zip(batch.query_ids, batch.query_lengths)]


def list_contexts(vocabulary: Vocabulary) -> set[tuple[int, ...]]:
    """What may stand before a query: the last two turns of a pair with its own context."""
    dialogues = [*PAIRS, *(LONG[:n] for n in range(2, len(LONG) + 1))]
    turns = [vocabulary.encode(dialogue[1 - TURNS :]) for dialogue in dialogues]
    return {(first, SEP, second, SEP) for first, second in turns}


def test_pairs_that_begin_a_dialogue_follow_the_turns_of_another(
    encoded: tuple[EncodedCorpus, Vocabulary],
) -> None:
    corpus, vocabulary = encoded
    contexts = RandomContexts(corpus, 1.0, TURNS, seed=3)
    indices = np.arange(len(corpus))[::-1]
    plain, possible = corpus.batch(indices), list_contexts(vocabulary)
    drawn = set()
    for epoch in range(40):
        batch = contexts.batch(indices, epoch, 5)
        np.testing.assert_array_equal(batch.reply_ids, plain.reply_ids)
        np.testing.assert_array_equal(batch.reply_lengths, plain.reply_lengths)
        for query, alone in zip(list_queries(batch), list_queries(plain)):
            if SEP in alone:
                assert query == alone
                continue
            assert query[-len(alone) :] == alone
            drawn.add(tuple(query[: -len(alone)]))
    assert drawn == possible


def test_the_same_epoch_draws_the_same_however_the_batch_is_cut(
    encoded: tuple[EncodedCorpus, Vocabulary],
) -> None:
    corpus = encoded[0]
    contexts, indices = RandomContexts(corpus, 1.0, TURNS, seed=3), np.arange(len(corpus))
    whole = list_queries(contexts.batch(indices, 7, 1))
    again = RandomContexts(corpus, 1.0, TURNS, seed=3)
    assert [list_queries(again.batch(indices[n : n + 1], 7, 1))[0] for n in indices] == whole
    assert list_queries(contexts.batch(indices, 8, 1)) != whole
    assert list_queries(contexts.batch(indices, 7, 2)) != whole
    assert list_queries(RandomContexts(corpus, 1.0, TURNS, 4).batch(indices, 7, 1)) != whole


@pytest.mark.parametrize(("share", "turns"), [(0.0, TURNS), (1.0, 1)])
def test_without_share_or_room_the_batches_are_the_corpus_own(
    encoded: tuple[EncodedCorpus, Vocabulary], share: float, turns: int
) -> None:
    corpus, indices = encoded[0], np.arange(5)
    batch = RandomContexts(corpus, share, turns, seed=3).batch(indices, 0, 0)
    for found, expected in zip(batch, corpus.batch(indices)):
        np.testing.assert_array_equal(found, expected)


def test_a_batch_gets_turns_before_all_its_pairs_or_before_none(
    encoded: tuple[EncodedCorpus, Vocabulary],
) -> None:
    corpus, indices = encoded[0], np.arange(len(PAIRS))
    contexts = RandomContexts(corpus, 0.25, TURNS, seed=0)
    batches = [contexts.batch(indices, 2, number) for number in range(1600)]
    longer = [sum(SEP in query for query in list_queries(batch)) for batch in batches]
    assert set(longer) == {0, len(PAIRS)}
    # A binomial of 1600 draws: five standard deviations are 87.
    assert abs(sum(map(bool, longer)) - 400) < 87
    assert all(EOS not in batch.query_ids for batch in batches)
