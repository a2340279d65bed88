"""Corpora of pieces: encoded once, and cut anew in every epoch."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from chatbot.corpus import read_pairs
from chatbot.dataset import EncodedCorpus, EncodingConfig, encode_corpus
from chatbot.dataset.random_contexts import RandomContexts
from chatbot.dataset.sampling import Sampler
from chatbot.text import EOS, Vocabulary, tokenize
from tests.small_corpora import encode, write_corpus

SETTINGS = EncodingConfig(max_length=9, vocab_size=330, subwords="bpe", validation_share=0.2)
CORPUS = Path(__file__).parents[2] / "data" / "smalltalk"


@pytest.fixture(scope="module")
def encoded(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[EncodedCorpus, EncodedCorpus, Vocabulary]:
    settings = dataclasses.replace(SETTINGS, max_length=40, vocab_size=2500, context_turns=2)
    place = tmp_path_factory.mktemp("encoded")
    train, validation, vocabulary = encode_corpus(CORPUS, "auto", place, settings, progress=False)
    assert validation is not None
    return train, validation, vocabulary


def read_rows(ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int32]) -> list[list[int]]:
    return [row[:length].tolist() for row, length in zip(ids, lengths)]


def test_turns_come_back_word_by_word(
    encoded: tuple[EncodedCorpus, EncodedCorpus, Vocabulary],
) -> None:
    train, validation, vocabulary = encoded
    found = []
    for part in (train, validation):
        batch = part.batch(np.arange(len(part)))
        assert part.summary["unknown_tokens"] == 0
        for query, reply in zip(read_rows(*batch[:2]), read_rows(*batch[2:])):
            written = [vocabulary.segmenter.join(vocabulary.decode(x)) for x in (query, reply)]
            if reply[-1] == EOS:
                found.append((" ".join(written[0]), " ".join(written[1][:-1])))
        words = sum(
            len(vocabulary.segmenter.join(vocabulary.decode(x))) for x in read_rows(*batch[2:])
        )
        assert part.count_words(np.arange(len(part))) == words
        assert part.count_tokens(np.arange(len(part))) == sum(batch.reply_lengths) > words
    expected = {
        (
            " <sep> ".join(" ".join(tokenize(turn)) for turn in pair.turns),
            " ".join(tokenize(pair.reply)),
        )
        for pair in read_pairs(CORPUS, "auto", context_turns=2)
    }
    assert len({*found} & expected) > 0.9 * len(expected)


def test_turns_are_cut_by_pieces_and_pairs_known_by_words(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "corpus.tsv")
    pieces, held_out, _ = encode(source, tmp_path / "pieces", SETTINGS)
    whole, _, _ = encode(source, tmp_path / "whole", dataclasses.replace(SETTINGS, subwords="none"))
    assert held_out is not None
    assert pieces.query_lengths.max() == pieces.reply_lengths.max() == 9
    assert pieces.summary["cut_replies"] > whole.summary["cut_replies"]
    assert pieces.find_in(whole).all()
    assert pieces.pairs_file.read_bytes() == whole.pairs_file.read_bytes()


def test_the_encoded_form_is_found_again_by_its_settings(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "corpus.tsv")
    _, _, vocabulary = encode(source, tmp_path / "cache", SETTINGS)
    again, _, loaded = encode(source, tmp_path / "cache", SETTINGS)
    assert loaded.digest == vocabulary.digest
    other, _, _ = encode(source, tmp_path / "cache", dataclasses.replace(SETTINGS, subwords="none"))
    assert other.directory != again.directory
    given, _, _ = encode(source, tmp_path / "cache", SETTINGS, vocabulary)
    assert given.directory == again.directory
    (again.directory / "subwords.model").write_bytes(b"damaged")
    _, _, mended = encode(source, tmp_path / "cache", SETTINGS)
    assert mended.digest == vocabulary.digest


def test_rare_words_teach_no_piece(tmp_path: Path) -> None:
    source = tmp_path / "corpus.tsv"
    source.write_text("hello hello\thello zwxq\n" * 2 + "hello\tjvkj\n", encoding="utf-8")
    settings = EncodingConfig(vocab_size=400, subwords="bpe", min_count=2)
    _, _, vocabulary = encode(source, tmp_path / "cache", settings)
    assert "zwxq" in vocabulary.words
    assert "##v" not in vocabulary.words
    assert vocabulary.segmenter.join(vocabulary.segmenter.split(["jvkj"])) == ["jvkj"]


def test_an_epoch_has_the_same_words_in_other_pieces(
    encoded: tuple[EncodedCorpus, EncodedCorpus, Vocabulary],
) -> None:
    train, _, vocabulary = encoded
    chosen = np.array([7, 3, 0, 12, 5])
    plain = train.batch(chosen)
    epochs = [Sampler(train, vocabulary, 0.4, seed=5).open_epoch(epoch) for epoch in (0, 1)]
    batches = [epoch.batch(chosen) for epoch in epochs]
    assert not np.array_equal(batches[0].reply_ids, batches[1].reply_ids)
    for epoch, batch in zip(epochs, batches):
        assert epoch.count_tokens(chosen) == batch.reply_lengths.sum() > plain.reply_lengths.sum()
        assert epoch.count_words(chosen) == train.count_words(chosen)
        for side in (0, 2):
            rows, drawn = (read_rows(*x[side : side + 2]) for x in (plain, batch))
            join, decode = vocabulary.segmenter.join, vocabulary.decode
            assert [join(decode(row)) for row in drawn] == [join(decode(row)) for row in rows]


@pytest.mark.parametrize(("side", "cut", "kept"), [("query", 0, 2), ("reply", 2, 0)])
def test_one_side_alone_may_be_cut(
    encoded: tuple[EncodedCorpus, EncodedCorpus, Vocabulary], side: str, cut: int, kept: int
) -> None:
    train, _, vocabulary = encoded
    chosen = np.arange(len(train) - 400, len(train), 10)
    epoch = Sampler(train, vocabulary, 0.4, 5, side).open_epoch(1)
    plain, drawn = train.batch(chosen), epoch.batch(chosen)
    np.testing.assert_array_equal(drawn[kept], plain[kept])
    assert drawn[cut + 1].sum() > plain[cut + 1].sum()
    assert epoch.count_tokens(chosen) == drawn.reply_lengths.sum()


def test_a_pair_is_cut_by_seed_epoch_and_number_alone(
    encoded: tuple[EncodedCorpus, EncodedCorpus, Vocabulary],
) -> None:
    train, _, vocabulary = encoded
    used = Sampler(train, vocabulary, 0.4, seed=5)
    for epoch in range(3):
        used.open_epoch(epoch).batch(np.arange(20))  # what was drawn before makes no difference
    fresh = Sampler(train, vocabulary, 0.4, seed=5)
    together = read_rows(*used.open_epoch(2).batch(np.array([4, 9, 2]))[2:])
    alone = [read_rows(*fresh.open_epoch(2).batch(np.array([pair]))[2:])[0] for pair in (4, 9, 2)]
    assert together == alone
    other = Sampler(train, vocabulary, 0.4, seed=6).open_epoch(2)
    assert read_rows(*other.batch(np.array([4, 9, 2]))[2:]) != together


def test_without_sampling_an_epoch_is_the_corpus(
    encoded: tuple[EncodedCorpus, EncodedCorpus, Vocabulary],
) -> None:
    train, _, vocabulary = encoded
    source, chosen = Sampler(train, vocabulary, 0.0, seed=5).open_epoch(3), np.array([4, 9])
    for found, expected in zip(source.batch(chosen), train.batch(chosen)):
        np.testing.assert_array_equal(found, expected)
    counts = source.count_tokens(chosen), source.count_words(chosen)
    assert counts == (train.count_tokens(chosen), train.count_words(chosen))


def test_words_are_cut_whatever_puts_turns_before_them(
    encoded: tuple[EncodedCorpus, EncodedCorpus, Vocabulary],
) -> None:
    train, _, vocabulary = encoded
    contexts, chosen = RandomContexts(train, 1.0, 2, seed=3), np.arange(9)
    read = functools.partial(contexts.batch, epoch=2, number=0)
    drawn = Sampler(train, vocabulary, 0.4, seed=5).open_epoch(2, read).batch(chosen)
    join, decode = vocabulary.segmenter.join, vocabulary.decode
    written = [
        [join(decode(row)) for row in read_rows(batch.query_ids, batch.query_lengths)]
        for batch in (drawn, read(chosen))
    ]
    assert written[0] == written[1]
