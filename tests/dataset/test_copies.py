"""Encoded corpora whose queries' unknown words have ids of their own."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chatbot.corpus import Pair
from chatbot.dataset import Corpora, EncodedCorpus, EncodingConfig, copies
from chatbot.dataset.encode import write_encoded
from chatbot.dataset.encoded_corpus import encode_corpus
from chatbot.dataset.entropy import leave_out
from chatbot.dataset.random_contexts import RandomContexts
from chatbot.text import (
    EOS,
    SEP,
    SLOTS,
    SPECIAL_TOKENS,
    UNK,
    ExtendedVocabulary,
    Vocabulary,
    drop_slots,
    end_reply,
    tokenize,
)
from tests.dataset.test_contexts import write_conv
from tests.dataset.test_encode import DIALOGUES, encode_into, feed, make_pairs, read_back
from tests.small_corpora import encode, list_keys, write_corpus

KNOWN = Vocabulary([*SPECIAL_TOKENS, "is", "a", "who"])
SIZE = len(KNOWN)


def test_unknown_words_of_a_query_are_numbered_in_their_order() -> None:
    extended = ExtendedVocabulary(KNOWN, ["who", "is", "zoë", "<sep>", "quux", "zoë", "<unk>"])
    assert extended.own == ["zoë", "quux"]
    words = ["quux", "is", "zoë", "zyx", "<eos>", "<unk>", "<sep>"]
    ids = [SIZE + 1, 5, SIZE, UNK, EOS, UNK, SEP]
    assert extended.encode(words) == ids
    assert extended.decode(ids) == ["quux", "is", "zoë", "<unk>", "<eos>", "<unk>", "<sep>"]
    for wrong in (SIZE + 2, -1):
        with pytest.raises(ValueError, match=f"^id {wrong} is outside a vocabulary of 8 words$"):
            extended.decode([wrong])
    np.testing.assert_array_equal(drop_slots(np.array(ids), SIZE), [UNK, 5, UNK, UNK, EOS, UNK, 4])


def test_a_query_with_more_unknown_words_than_slots_copies_the_first() -> None:
    words = [f"w{number}" for number in range(SLOTS + 2)]
    ids = ExtendedVocabulary(KNOWN, words).encode(words)
    assert ids == [*range(SIZE, SIZE + SLOTS), UNK, UNK]


@hypothesis_settings(max_examples=40)
@given(
    dialogues=DIALOGUES,
    max_length=st.integers(2, 7),
    vocab_size=st.integers(6, 9),
    slots=st.integers(1, 3),
    chunk=st.integers(1, 3),
    is_given=st.booleans(),
)
def test_a_corpus_is_encoded_as_a_query_is_when_it_is_read(
    dialogues: list[list[str]],
    max_length: int,
    vocab_size: int,
    slots: int,
    chunk: int,
    is_given: bool,
) -> None:
    pairs = make_pairs(dialogues)
    settings = EncodingConfig(max_length=max_length, vocab_size=vocab_size, copies=True)
    known = Vocabulary([*SPECIAL_TOKENS, "你", "b"]) if is_given else None
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(copies, "_PAIRS", chunk)
        monkeypatch.setattr(copies, "SLOTS", slots)
        monkeypatch.setattr("chatbot.text.extended.SLOTS", slots)
        feed(monkeypatch, pairs)
        vocabulary = encode_into(Path(name), settings, vocabulary=known)
        part = EncodedCorpus(Path(name), "train", len(vocabulary))
        expected = []
        for pair in pairs:
            query = tokenize(pair.query)[:max_length]
            extended = ExtendedVocabulary(vocabulary, query)
            reply = end_reply(tokenize(pair.reply), max_length)
            expected.append((extended.encode(query), extended.encode(reply)))
        assert read_back(part) == expected
        assert sorted(path.suffix for path in Path(name).glob("train.query.*")) == [
            ".ids",
            ".lengths",
            ".offsets",
        ]


def test_the_figures_of_a_corpus_call_copied_words_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pairs = [Pair("who is zoë", "zoë is a quux", 0), Pair("is quux", "quux quux", 1)]
    feed(monkeypatch, pairs)
    summaries = []
    for name, on in (("plain", False), ("copying", True)):
        encode_into(tmp_path / name, EncodingConfig(copies=on), vocabulary=KNOWN)
        part = EncodedCorpus(tmp_path / name, "train", SIZE)
        summaries.append(part.summary)
        assert part.count_reply_words(SIZE).tolist() == [0, 0, 2, 4, 0, 1, 1, 0]
        quoted = Corpora(part, None, KNOWN).quote(np.array([0]))
        assert quoted == '"who is <unk>" -> "<unk> is a <unk>"'
        assert part.count_tokens(np.array([0, 1])) == part.count_words(np.array([0, 1])) == 8
    assert summaries[0] == summaries[1]
    assert read_back(part)[0] == ([7, 5, SIZE], [SIZE, 5, 6, UNK, EOS])


def test_pairs_that_are_left_out_are_named_with_copied_words_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    queries = [("who is zoë", "zoë is a"), ("who a zyx", "zyx is a"), ("is", "a")]
    feed(monkeypatch, [Pair(*pair, number) for number, pair in enumerate(queries)])
    encode_into(tmp_path, EncodingConfig(copies=True), vocabulary=KNOWN)
    part = EncodedCorpus(tmp_path, "train", SIZE)
    said = 'up to 1.0 for "who is <unk>" -> "<unk> is a"'
    assert leave_out(part, 0.5, "reply", KNOWN).describe().endswith(said)


def test_turns_drawn_from_other_dialogues_cannot_be_copied(tmp_path: Path) -> None:
    dialogues = [("zoë is", "a zyx"), ("quux quux", "who quux"), ("is bla", "bla a")]
    settings = EncodingConfig(context_turns=3, copies=True)
    source = write_conv(tmp_path / "dialogues.conv", dialogues)
    (tmp_path / "encoded").mkdir()
    write_encoded(source, "conv", tmp_path / "encoded", settings, KNOWN, progress=False)
    corpus = EncodedCorpus(tmp_path / "encoded", "train", SIZE)
    assert corpus.batch(np.array([1])).query_ids.max() == SIZE
    for epoch in range(5):
        batch = RandomContexts(corpus, 1.0, 3, seed=3).batch(np.arange(3), epoch, 0)
        for row, length in zip(batch.query_ids, batch.query_lengths):
            *context, first, second = row[:length].tolist()
            assert max(context) < SIZE
            assert SIZE in (first, second)
            assert UNK in context


def test_only_a_corpus_with_copies_has_another_key(tmp_path: Path) -> None:
    source, plain = (
        write_corpus(tmp_path / "corpus.tsv"),
        EncodingConfig(max_length=6, vocab_size=30),
    )
    train, _, _ = encode(source, tmp_path / "cache", plain)
    assert train.directory.name == list_keys(tmp_path / "cache")[0]
    copying, _, words = encode(
        source, tmp_path / "cache", EncodingConfig(max_length=6, vocab_size=30, copies=True)
    )
    assert len(list_keys(tmp_path / "cache")) == 2
    batches = [part.batch(np.arange(len(part))) for part in (train, copying)]
    assert batches[1].query_ids.max() > len(words) > batches[0].query_ids.max()
    for mine, other in zip(*batches):
        np.testing.assert_array_equal(drop_slots(other, len(words)), mine)


def test_a_large_vocabulary_leaves_room_for_the_copied_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = [f"w{number}" for number in range(65_536 - len(SPECIAL_TOKENS))]
    feed(monkeypatch, [Pair("zoë", "zoë", 0)])
    vocabulary = Vocabulary([*SPECIAL_TOKENS, *words])
    encode_into(tmp_path, EncodingConfig(copies=True), vocabulary=vocabulary)
    part = EncodedCorpus(tmp_path, "train", len(vocabulary))
    assert read_back(part) == [([65_536], [65_536, EOS])]


def test_a_corpus_that_changes_its_part_is_encoded_from_its_model_words(tmp_path: Path) -> None:
    source = tmp_path / "pairs.tsv"
    source.write_text("who is zoë\tzoë is a bot\n", encoding="utf-8")
    settings = EncodingConfig(copies=True)
    part, _, words = encode_corpus(source, "tsv", tmp_path / "cache", settings, KNOWN, False)
    assert words is KNOWN
    assert read_back(part) == [([7, 5, SIZE], [SIZE, 5, 6, UNK, EOS])]
