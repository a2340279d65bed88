from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.dataset import EncodedCorpus, encode_corpus
from chatbot.dataset.entropy import compute_entropies, leave_out
from chatbot.errors import ChatbotError
from chatbot.text import EOS, Vocabulary
from tests.small_corpora import SETTINGS, encode
from tests.trainings import tiny_settings, train, write_pairs

PAIRS = [
    *[(f"is it {word} ?", "yes .") for word in "red green blue grey".split()],
    ("is it red ?", "no ."),
    ("is it red ?", "no ."),
    ("who ?", "me ."),
    ("who ?", "you ."),
]
REPLY_BITS = [2.0] * 4 + [0.0] * 4
RED = -(1 / 3) * np.log2(1 / 3) - (2 / 3) * np.log2(2 / 3)  # "yes ." once and "no ." twice
QUERY_BITS = [RED, 0.0, 0.0, 0.0, RED, RED, 1.0, 1.0]


@pytest.fixture(name="opened", scope="module")
def open_corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[EncodedCorpus, Vocabulary]:
    place = tmp_path_factory.mktemp("entropy")
    settings = dataclasses.replace(SETTINGS, validation_share=0.0)
    train_part, _, words = encode(write_pairs(place / "a.tsv", PAIRS), place / "cache", settings)
    return train_part, words


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_entropies_are_the_stated_formula(pairs: list[tuple[int, int]]) -> None:
    turns, partners = np.array(pairs, np.uint64).T
    found = compute_entropies(turns, partners)
    for (turn, _), mine in zip(pairs, found):
        counts = Counter(partner for other, partner in pairs if other == turn)
        shares = np.array(list(counts.values())) / counts.total()
        assert mine == pytest.approx(-np.sum(shares * np.log2(shares)), abs=1e-9)


def test_turns_are_the_same_by_their_ids(opened: tuple[EncodedCorpus, Vocabulary]) -> None:
    queries, replies = opened[0].hash_turns()
    np.testing.assert_allclose(compute_entropies(replies, queries), REPLY_BITS, atol=1e-9)
    np.testing.assert_allclose(compute_entropies(queries, replies), QUERY_BITS, atol=1e-9)


@pytest.mark.parametrize(
    ("side", "threshold", "kept"),
    [
        ("reply", 1.9, [4, 5, 6, 7]),
        ("reply", 2.0, range(8)),  # what reaches the threshold stays
        ("query", 0.95, range(6)),
        ("query", 0.5, [1, 2, 3]),
        ("both", 0.95, [4, 5]),
    ],
)
def test_what_is_above_the_threshold_is_left_out_and_the_rest_unchanged(
    opened: tuple[EncodedCorpus, Vocabulary], side: str, threshold: float, kept: list[int]
) -> None:
    corpus, words = opened
    rest = leave_out(corpus, threshold, side, words)
    assert len(rest) == len(kept)
    assert len(corpus) == 8
    for mine, expected in zip(rest.batch(np.arange(len(kept))), corpus.batch(np.array(kept))):
        np.testing.assert_array_equal(mine, expected)
    np.testing.assert_array_equal(rest.reply_lengths, corpus.reply_lengths[kept])
    said = rest.describe().splitlines()[-1]
    assert said.startswith(f"left out of training {8 - len(kept)} pairs")
    if side == "reply" and len(kept) < 8:
        assert said.endswith('bits, up to 2.0 for "is it red?" -> "yes."')
    assert "of training" not in corpus.describe()


def test_words_are_counted_in_the_replies_that_are_learned(
    opened: tuple[EncodedCorpus, Vocabulary],
) -> None:
    corpus, words = opened
    for part, expected in (
        (corpus, {"yes": 4, "no": 2, ".": 8, "me": 1, "you": 1}),
        (leave_out(corpus, 1.0, "reply", words), {"no": 2, ".": 4, "me": 1, "you": 1}),
    ):
        counts = part.count_reply_words(len(words))
        ids = words.encode(list(expected))
        assert counts[ids].tolist() == list(expected.values())
        assert counts[EOS] == len(part)
        assert counts.sum() == part.reply_lengths.sum()


def test_a_query_is_its_last_turn_whatever_stands_before(tmp_path: Path) -> None:
    source = tmp_path / "talk.jsonl"
    source.write_text('["a", "yes", "c"]\n["b", "yes", "d"]\n', encoding="utf-8")
    settings = dataclasses.replace(SETTINGS, validation_share=0.0, context_turns=3)
    corpus, _, _ = encode_corpus(source, "jsonl", tmp_path / "cache", settings, progress=False)
    queries, replies = corpus.hash_turns()
    np.testing.assert_allclose(compute_entropies(queries, replies), [0, 1, 0, 1], atol=1e-9)
    np.testing.assert_allclose(compute_entropies(replies, queries), [1, 0, 1, 0], atol=1e-9)


def test_a_training_says_what_it_leaves_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = write_pairs(tmp_path / "a.tsv", PAIRS)
    settings = tiny_settings(source, max_steps=2, num_epochs=1, filter_entropy=1.5)
    assert train(tmp_path / "model", **settings) == 0
    assert "left out of training 4 pairs with an entropy of the reply above 1.5 bits" in (
        capfd.readouterr().err
    )


def test_a_threshold_that_leaves_nothing_is_refused(
    opened: tuple[EncodedCorpus, Vocabulary],
) -> None:
    corpus, words = opened
    batch = corpus.select(np.arange(4), "")  # these alone
    with pytest.raises(ChatbotError, match=r"--filter_entropy=1\.0 leaves no pair to learn"):
        leave_out(batch, 1.0, "reply", words)
