from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.dataset import Corpora, EncodedCorpus
from chatbot.dataset import encoded_corpus as dataset
from chatbot.dataset.prefetch import prefetch
from chatbot.errors import ChatbotError
from chatbot.text import PAD, SPECIAL_TOKENS, Vocabulary
from tests.small_corpora import SETTINGS, encode, list_keys, write_corpus


@pytest.fixture(name="source")
def make_source(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus.tsv")


@pytest.fixture(name="refuse_to_encode")
def make_refuse_to_encode(monkeypatch: pytest.MonkeyPatch) -> Any:
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"encoded again: {arguments}")

    return lambda: monkeypatch.setattr(dataset, "write_encoded", refuse)


# Batches


@pytest.fixture(name="part", scope="module")
def make_part(tmp_path_factory: pytest.TempPathFactory) -> EncodedCorpus:
    place = tmp_path_factory.mktemp("part")
    train, _, _ = encode(write_corpus(place / "corpus.tsv"), place / "cache")
    return train


@given(numbers=st.lists(st.integers(0, 299), min_size=1, max_size=20))
def test_a_batch_is_its_pairs_side_by_side(part: EncodedCorpus, numbers: list[int]) -> None:
    batch = part.batch(np.array(numbers))
    for ids, lengths, all_lengths in (
        (batch.query_ids, batch.query_lengths, part.query_lengths),
        (batch.reply_ids, batch.reply_lengths, part.reply_lengths),
    ):
        assert ids.dtype == lengths.dtype == np.int32
        assert ids.shape == (len(numbers), lengths.max())
        assert lengths.tolist() == [all_lengths[number] for number in numbers]
        for row, length in zip(ids, lengths):
            assert (row[:length] != PAD).all()
            assert (row[length:] == PAD).all()
    for place, number in enumerate(numbers):
        alone = part.batch(np.array([number]))
        query_length, reply_length = batch.query_lengths[place], batch.reply_lengths[place]
        assert alone.query_ids[0].tolist() == batch.query_ids[place, :query_length].tolist()
        assert alone.reply_ids[0].tolist() == batch.reply_ids[place, :reply_length].tolist()


def test_a_batch_is_the_callers_to_change(part: EncodedCorpus) -> None:
    before = [array.copy() for array in part.batch(np.arange(5))]
    for array in part.batch(np.arange(5)):
        array += 1
    for array, expected in zip(part.batch(np.arange(5)), before):
        assert array.tolist() == expected.tolist()


def test_pairs_are_quoted_without_end_tokens_whether_they_are_cut_or_not(tmp_path: Path) -> None:
    source = tmp_path / "corpus.tsv"
    source.write_text("a b\tc d\ne\ta b c d e\n", encoding="utf-8")
    train, _, vocabulary = encode(source, tmp_path / "cache", replace(SETTINGS, max_length=3))
    quoted = Corpora(train, None, vocabulary).quote(np.arange(2))
    assert quoted == '"a b" -> "c d", "e" -> "a b c"'


def test_a_batch_of_nothing_is_empty(part: EncodedCorpus) -> None:
    batch = part.batch(np.empty(0, dtype=np.int64))
    assert [array.shape for array in batch] == [(0, 0), (0,), (0, 0), (0,)]


def test_the_summary_reads_well(source: Path, tmp_path: Path) -> None:
    source.write_text("a b c d e f g\tb\na\t...\nb\t\n", encoding="utf-8")
    train, _, _ = encode(source, tmp_path / "cache")
    assert train.summary["vocabulary_size"] == len(SPECIAL_TOKENS) + 7
    assert sum(train.summary["dropped"].values()) == 1
    text = train.describe()
    assert text.startswith("2 pairs of 2 dialogues: 7 query and 6 reply tokens, 12 words\n")
    assert "unknown 0.00%" in text
    assert "cut 1 queries and 0 replies; left out 1 x " in text
    assert f"{source}:3" in text


# The cache


def test_opening_again_does_not_encode_again(
    source: Path, tmp_path: Path, refuse_to_encode: Any
) -> None:
    settings = replace(SETTINGS, validation_share=0.2)
    first = encode(source, tmp_path / "cache", settings)
    refuse_to_encode()
    second = encode(source, tmp_path / "cache", settings)
    assert first[2].words == second[2].words
    for old, new in zip(first[:2], second[:2]):
        assert old is not None
        assert new is not None
        everything = np.arange(len(old))
        for before, after in zip(old.batch(everything), new.batch(everything)):
            assert before.tolist() == after.tolist()
        assert old.summary == new.summary


@pytest.mark.parametrize(
    "change",
    [
        {"max_length": 5},
        {"vocab_size": 20},
        {"min_count": 2},
        {"context_turns": 2},
        {"validation_share": 0.3},
        {"validation_share": 0.2, "seed": 1},
    ],
)
def test_another_setting_makes_another_cache(
    source: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    cache = tmp_path / "cache"
    encode(source, cache, replace(SETTINGS, validation_share=0.2))
    encode(source, cache, replace(SETTINGS, **{"validation_share": 0.2, **change}))
    assert len(list_keys(cache)) == 2


def test_a_changed_source_makes_another_cache(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before, _, _ = encode(source, cache)
    text = source.read_text(encoding="utf-8")
    source.write_text(text.replace("w1\t", "w2\t", 1), encoding="utf-8")
    after, _, _ = encode(source, cache)
    assert len(list_keys(cache)) == 2
    everything = np.arange(len(before))
    assert before.batch(everything).query_ids.tolist() != after.batch(everything).query_ids.tolist()


def test_the_seed_does_not_matter_where_nothing_is_held_out(
    source: Path, tmp_path: Path, refuse_to_encode: Any
) -> None:
    encode(source, tmp_path / "cache")
    refuse_to_encode()
    encode(source, tmp_path / "cache", replace(SETTINGS, seed=8))


def test_the_vocabulary_of_the_same_corpus_finds_its_cache(
    source: Path, tmp_path: Path, refuse_to_encode: Any
) -> None:
    _, _, vocabulary = encode(source, tmp_path / "cache")
    refuse_to_encode()
    encode(source, tmp_path / "cache", vocabulary=vocabulary)


def test_a_given_vocabulary_has_its_own_cache(
    source: Path, tmp_path: Path, refuse_to_encode: Any
) -> None:
    cache = tmp_path / "cache"
    encode(source, cache)
    vocabulary = Vocabulary([*SPECIAL_TOKENS, "w7", "w3"])
    train, _, words = encode(source, cache, vocabulary=vocabulary)
    assert words.words == vocabulary.words
    assert train.batch(np.arange(len(train))).query_ids.max() == 6
    assert len(list_keys(cache)) == 2
    refuse_to_encode()
    # How words would be counted does not matter where they are given.
    encode(source, cache, replace(SETTINGS, min_count=9), vocabulary)


# Drawing ahead


def is_drawing() -> bool:
    return any(thread.name.startswith("prefetch") for thread in threading.enumerate())


@pytest.mark.parametrize("depth", [0, 1, 5, 50])
def test_prefetch_keeps_the_order(depth: int) -> None:
    assert list(prefetch(iter(range(30)), depth)) == list(range(30))
    assert not is_drawing()


def test_prefetch_raises_in_its_turn() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2)
        raise ChatbotError("line 3 is bad")

    stream = prefetch(items(), 5)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(ChatbotError, match="line 3"):
        next(stream)
    assert not is_drawing()


def test_prefetch_stops_when_closed() -> None:
    drawn = []

    def items() -> Iterator[int]:
        for number in range(1_000):
            drawn.append(number)
            yield number

    stream = prefetch(items(), 3)
    assert next(stream) == 0
    stream.close()
    assert not is_drawing()
    assert len(drawn) <= 5


def test_prefetch_draws_while_the_item_before_is_used() -> None:
    second_drawn = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        second_drawn.set()
        yield 2

    stream = prefetch(items(), 1)
    assert next(stream) == 1
    assert second_drawn.wait(timeout=30)
    stream.close()
