"""An encoded corpus and its batches.

A corpus is encoded once into memory-mapped files; batches are planned from lengths alone. So memory
does not grow with the corpus, and each batch depends on (seed, epoch, step) and nothing else.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chatbot.corpus import fingerprint
from chatbot.dataset import files
from chatbot.dataset.cache import find_or_build, link_from
from chatbot.dataset.encode import EncodingConfig, write_encoded
from chatbot.dataset.pair_hashes import HASH_TYPE, find_known
from chatbot.dataset.side import Side, map_file
from chatbot.errors import ChatbotError
from chatbot.system.paths import local_path
from chatbot.text import EOS, Vocabulary, drop_slots
from chatbot.text.vocabulary import NO_SUBWORDS

_QUOTED = 3  # pairs
_QUOTED_LENGTH = 40  # characters of each of their texts


class Batch(NamedTuple):
    """Pairs side by side, padded with `PAD` on the right.

    Attributes:
        query_ids: `int32 [B, S]`.
        query_lengths: `int32 [B]`, tokens of each query.
        reply_ids: `int32 [B, T]`, each ended by `EOS` unless it is cut.
        reply_lengths: `int32 [B]`, tokens of each reply, the end token counted.
    """

    query_ids: npt.NDArray[np.int32]
    query_lengths: npt.NDArray[np.int32]
    reply_ids: npt.NDArray[np.int32]
    reply_lengths: npt.NDArray[np.int32]


class EncodedCorpus:
    """One part of an encoded corpus, mapped into memory.

    Attributes:
        source: The fingerprint of the corpus that it was encoded from, "" where nobody said.
        directory: Where its files are.
        pairs_file: Where the hashes of its pairs are (see `pair_hashes`).
        query_lengths: `int32 [pairs]`, tokens of each query.
        reply_lengths: `int32 [pairs]`, tokens of each reply, the end token counted.
        summary: What the part holds, by name: `pairs`, `dialogues`, `query_tokens`,
            `context_tokens` (those of them before the turn to reply to, separators counted),
            `reply_tokens` (end tokens counted), `unknown_tokens` and `unknown_share` (of all tokens
            except the context's and the end tokens), `cut_queries` (whose last turn is cut),
            `cut_replies`, `vocabulary_size`; and of the whole source `dropped` (how many by
            reason), `first_dropped` (where each reason first applied), `first_pairs` (three, as
            text) and `warnings`.
    """

    def __init__(
        self,
        directory: Path,
        part: str,
        vocabulary_size: int,
        source: str = "",
        begins: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Maps the files of `train` or `validation`.

        Args:
            directory: Where they are.
            part: The part.
            vocabulary_size: Words in the vocabulary, V.
            source: The fingerprint of the corpus.
            begins: Which tokens begin a word or are special, `bool [V]`; None for all.

        Raises:
            ValueError: The directory is not whole or has no such part.
        """
        meta = files.read_meta(directory)
        if meta is None or part not in meta["parts"]:
            raise ValueError(f"{directory} has no part {part!r}")
        self._query = Side(directory, f"{part}.{files.QUERY}", meta["id_type"])
        self._reply = Side(directory, f"{part}.{files.REPLY}", meta["id_type"])
        self._begins = None if begins is None or begins.all() else begins
        self.source = source
        self.directory = directory
        self.pairs_file = directory / f"{part}{files.PAIRS}"
        self.query_lengths = self._query.lengths
        self.reply_lengths = self._reply.lengths
        self.summary = _summarise(meta, part, vocabulary_size)
        self._left_out = ""

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.query_lengths)

    def batch(self, indices: npt.NDArray[np.integer[Any]]) -> Batch:
        """Gathers pairs by their numbers, `int [B]`, as wide as the longest of them."""
        return Batch(*self._query.gather(indices), *self._reply.gather(indices))

    def select(self, kept: npt.NDArray[np.integer[Any]], said: str) -> EncodedCorpus:
        """Keeps some of the pairs, in memory 12 bytes a side of each.

        Files and `summary` stay those of all pairs.

        Args:
            kept: The numbers of the pairs, `int [P]`.
            said: What `describe` says of the others.
        """
        selected = copy.copy(self)
        selected._query, selected._reply = self._query.select(kept), self._reply.select(kept)
        selected.query_lengths = selected._query.lengths
        selected.reply_lengths = selected._reply.lengths
        selected._left_out = said
        return selected

    def hash_turns(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        """Hashes the turn to reply to and the reply of each pair, `uint64 [pairs]` both."""
        return self._query.hash_last_turns(), self._reply.hash_last_turns()

    def count_reply_words(self, vocabulary_size: int) -> npt.NDArray[np.int64]:
        """Counts how often each word is in the replies, `int64 [V]`, end tokens counted.

        A word that is copied counts as unknown.
        """
        counts = np.zeros(vocabulary_size, np.int64)
        for rows in self._reply.read_rows():
            ids = drop_slots(np.concatenate(rows), vocabulary_size)
            counts += np.bincount(ids, minlength=vocabulary_size)
        return counts

    def count_tokens(self, indices: npt.NDArray[np.integer[Any]]) -> int:
        """Counts the reply tokens of pairs, given by their numbers `int [B]`."""
        return int(np.sum(self.reply_lengths[indices]))

    def count_words(self, indices: npt.NDArray[np.integer[Any]]) -> int:
        """Counts the reply words of pairs, end tokens among them; of a cut word its beginning."""
        if self._begins is None:
            return self.count_tokens(indices)
        ids, lengths = self._reply.gather(indices)
        return count_begun(ids, lengths, self._begins)

    def find_in(self, other: EncodedCorpus) -> npt.NDArray[np.bool_]:
        """Finds the pairs, `bool [pairs]`, that another corpus has too, word for word.

        Raises:
            ChatbotError: The hashes of the other's pairs cannot be read.
        """
        found = find_known(map_file(self.pairs_file, HASH_TYPE), other.pairs_file)
        if found is None:
            raise ChatbotError(f"{other.pairs_file} is missing; run the same command again")
        return found

    def describe(self) -> str:
        """Says in two lines what is there and what was left out, and in one what is not learned."""
        holds = self.summary
        dropped = ", ".join(
            f"{count:,} x {reason} (first {holds['first_dropped'][reason]})"
            for reason, count in holds["dropped"].items()
        )
        unit = "words" if self._begins is None else "pieces of words"
        context = f"({holds['context_tokens']:,} of context) " if holds["context_tokens"] else ""
        return (
            f"{holds['pairs']:,} pairs of {holds['dialogues']:,} dialogues: "
            f"{holds['query_tokens']:,} query {context}and {holds['reply_tokens']:,} reply tokens, "
            f"{holds['vocabulary_size']:,} {unit}\n"
            f"unknown {holds['unknown_share']:.2%} of the tokens; "
            f"cut {holds['cut_queries']:,} queries and {holds['cut_replies']:,} replies; "
            f"left out {dropped or 'nothing'}" + (self._left_out and f"\n{self._left_out}")
        )


class Corpora(NamedTuple):
    """The encoded corpora of a training.

    Attributes:
        train: The pairs to learn.
        validation: The pairs to measure, or None.
        vocabulary: The words of both.
    """

    train: EncodedCorpus
    validation: EncodedCorpus | None
    vocabulary: Vocabulary

    def quote(self, indices: npt.NDArray[np.integer[Any]]) -> str:
        """Writes the first few training pairs of a batch, `int [B]`, back as text.

        Returns:
            One line, such as `"hello" -> "hi", "who are you?" -> "a bot." and 6 more`.
        """
        queries, query_lengths, replies, reply_lengths = self.train.batch(indices[:_QUOTED])
        pairs = (
            f"{self._write(query[:length])} -> {self._write(reply[:end])}"
            for query, length, reply, end in zip(queries, query_lengths, replies, reply_lengths)
        )
        more = len(indices) - _QUOTED
        return ", ".join(pairs) + (f" and {more} more" if more > 0 else "")

    def _write(self, ids: npt.NDArray[np.int32]) -> str:
        known = drop_slots(ids[ids != EOS], len(self.vocabulary))
        text = self.vocabulary.write(self.vocabulary.decode(known))
        return f'"{text}"' if len(text) <= _QUOTED_LENGTH else f'"{text[:_QUOTED_LENGTH]}..."'


def count_begun(
    ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int32], begins: npt.NDArray[np.bool_]
) -> int:
    """Counts the tokens of rows `int32 [B, T]` that begin a word or are special."""
    is_real = np.arange(ids.shape[1]) < lengths[:, None]  # [B, T]
    return int(np.count_nonzero(begins[ids[is_real]]))


def encode_corpus(
    path: str | os.PathLike[str],
    corpus_format: str,
    cache_dir: str | os.PathLike[str],
    settings: EncodingConfig,
    vocabulary: Vocabulary | None = None,
    progress: bool = True,
    check: Callable[[], None] | None = None,
    neighbours: Iterable[Path] = (),
) -> tuple[EncodedCorpus, EncodedCorpus | None, Vocabulary]:
    """Opens the encoded form of a corpus, encoding it first where that has not been done.

    Args:
        path: The corpus: a file, a directory or a zip.
        corpus_format: One of `corpus.FORMATS`.
        cache_dir: Where encoded corpora are kept, each under a hash of its source and settings.
        settings: How to cut, count and divide.
        vocabulary: The words to use; without it they are counted in the training part.
        progress: Whether to show a bar on stderr while encoding.
        check: Called now and then while encoding; what it raises ends it.
        neighbours: Other places where encoded corpora are kept; what is there already is linked
            to, not encoded again.

    Returns:
        The training part, the validation part (None without a `validation_share`), the vocabulary.

    Raises:
        ChatbotError: The corpus cannot be read or is empty, or the cache cannot be written.
    """
    source = fingerprint(path)
    cache = Path(local_path(cache_dir))
    digest = None if vocabulary is None else vocabulary.digest
    directory = cache / _make_key([source, corpus_format], settings, None)
    # The words that a model has learned are most often the ones counted in this very corpus.
    meta = None if digest is None else files.read_meta(directory)
    if digest is not None and (meta is None or meta["vocabulary"] != digest):
        directory = cache / _make_key([source, corpus_format], settings, digest)

    def is_whole(place: Path) -> bool:
        return files.read_meta(place) is not None

    def build(place: Path) -> None:
        if link_from((other / directory.name for other in neighbours), place, is_whole):
            return
        write_encoded(path, corpus_format, place, settings, vocabulary, progress, check)
        # Kept under the fingerprint of what was there before, other pairs would be found by it.
        if fingerprint(path) != source:
            raise ChatbotError(f"{path}: changed while it was read; run the same command again")

    find_or_build(cache, directory.name, is_whole, build)
    words = vocabulary or Vocabulary.load(directory / files.VOCABULARY_FILE, settings.subwords)

    def open_part(part: str) -> EncodedCorpus:
        return EncodedCorpus(directory, part, len(words), source, words.begins)

    validation = open_part(files.VALIDATION) if settings.validation_share else None
    return open_part(files.TRAIN), validation, words


def _make_key(source: list[str], settings: EncodingConfig, digest: str | None) -> str:
    values = dataclasses.asdict(settings)
    # What cannot change the result must not make a second copy of it.
    if settings.subwords == NO_SUBWORDS:
        del values["subwords"]
    if not settings.copies:
        del values["copies"]
    if not settings.validation_share:
        del values["seed"]
    if digest is not None:
        del values["vocab_size"], values["min_count"]
    parts = [files.FORMAT, unicodedata.unidata_version, *source, values, digest]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _summarise(meta: dict[str, Any], part: str, vocabulary_size: int) -> dict[str, Any]:
    holds = dict(meta["parts"][part])
    ends = holds["pairs"] - holds["cut_replies"]
    words = holds["query_tokens"] - holds["context_tokens"] + holds["reply_tokens"] - ends
    holds["unknown_share"] = holds["unknown_tokens"] / words if words else 0.0
    holds["vocabulary_size"] = vocabulary_size
    of_source = ("dropped", "first_dropped", "first_pairs", "warnings")
    return {**holds, **{name: meta[name] for name in of_source}}
