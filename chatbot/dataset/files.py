"""The files of an encoded corpus: their layout, how they are streamed out, how they are checked.

An encoded corpus is a directory: `vocab.txt` (and `subwords.model`, if its words are pieces),
`meta.json` (written last), and for each part (`train` and, where a share is held out, `validation`)
and each side (`query`, `reply`)

    PART.SIDE.ids       the ids of all pairs, one after the other, uint16 or int32
    PART.SIDE.offsets   int64 [pairs], where each pair's ids begin
    PART.SIDE.lengths   int32 [pairs], how many there are

and for each part `PART.pairs`, uint64 [pairs]: a hash of each pair's words before they are cut.
All numbers are little-endian.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chatbot.dataset.copies import SideFiles, write_copies
from chatbot.dataset.pair_hashes import hash_pair
from chatbot.system.files import flush_to_disk, write_json
from chatbot.text import SLOTS, SPECIAL_TOKENS, UNK, Segmenter, Vocabulary, end_reply, join_turns
from chatbot.text.subwords import MODEL_FILE
from chatbot.text.vocabulary import hash_files

FORMAT = 5
"""Number of the files' format; raise it when the files or the rules of `text` or `turns` change."""

TRAIN, VALIDATION = "train", "validation"
QUERY, REPLY = "query", "reply"
OFFSET_TYPE, LENGTH_TYPE = "<i8", "<i4"
VOCABULARY_FILE, META_FILE = "vocab.txt", "meta.json"
PAIRS = ".pairs"

_CHUNK_TOKENS = 1 << 17
# The first pass numbers words as they come; what the words are worth is known at its end only.
_PROVISIONAL = ".provisional"
_PROVISIONAL_TYPE = "<i4"


class WordTable(dict[str, int]):
    """Numbers words in the order of their first look-up, after the special tokens."""

    def __init__(self) -> None:
        super().__init__((word, number) for number, word in enumerate(SPECIAL_TOKENS))

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number

    def count(self, counts: npt.NDArray[np.int64]) -> Iterator[tuple[str, int]]:
        """Yields each word that occurs, special tokens excepted, and how often it occurs.

        Args:
            counts: `int64 [numbers]`, how often each number occurs.
        """
        for number, (word, count) in enumerate(zip(self, counts.tolist())):
            if number >= len(SPECIAL_TOKENS) and count:
                yield word, count

    def final_ids(self, vocabulary: Vocabulary, copies: bool = False) -> npt.NDArray[Any]:
        """Looks up the vocabulary's id of each number.

        Args:
            vocabulary: The vocabulary.
            copies: Whether there will be ids of copied words behind its own.

        Returns:
            `[numbers]` of the type in which ids are stored: `uint16` where it suffices.
        """
        id_type = "<u2" if len(vocabulary) + SLOTS * copies <= 1 << 16 else "<i4"
        ids = np.fromiter(vocabulary.encode(self), dtype=id_type, count=len(self))
        ids[: len(SPECIAL_TOKENS)] = np.arange(len(SPECIAL_TOKENS))
        return ids


class KnownWords(WordTable):
    """Numbers words as a vocabulary does; others are unknown or, if it `learns`, follow."""

    def __init__(self, vocabulary: Vocabulary, learns: bool = False) -> None:
        dict.__init__(self, ((word, number) for number, word in enumerate(vocabulary.words)))
        self._learns = learns

    def __missing__(self, word: str) -> int:
        return super().__missing__(word) if self._learns else UNK


class PartWriter:
    """Streams one part of the corpus to its files, and counts what it holds.

    Attributes:
        name: `TRAIN` or `VALIDATION`.
        pairs: How many were added.
        counts: `int64 [numbers]`, how often each number of the word table was written; a turn
            counts where it is the one to reply to and where it is the reply, not in a context.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        words: WordTable,
        max_length: int,
        segmenter: Segmenter | None = None,
    ) -> None:
        """Starts with nothing written.

        Args:
            directory: Where to write.
            name: `TRAIN` or `VALIDATION`.
            words: Numbers the tokens; the parts share it.
            max_length: Most tokens of a turn, the reply's end token among them.
            segmenter: Cuts words into tokens; None leaves them whole.
        """
        self.name = name
        self.pairs = 0
        self.counts: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._dialogues = 0
        self._last_dialogue: int | None = None
        self._max_length = max_length
        self._segmenter = segmenter or Segmenter()
        self._cut_queries = self._cut_replies = 0
        self._hashes: list[bytes] = []
        self._pairs_file = directory / f"{name}{PAIRS}"
        self._query = _SideWriter(directory, f"{name}.{QUERY}", words)
        self._reply = _SideWriter(directory, f"{name}.{REPLY}", words)

    def add(
        self,
        dialogue: int,
        query: list[str],
        reply: list[str],
        context: Sequence[list[str]] = (),
    ) -> None:
        """Ends the reply of a pair, cuts both sides to length and takes the pair in.

        Args:
            dialogue: The number of its dialogue.
            query: Words.
            reply: Words.
            context: The words of each earlier turn that the query includes, oldest first.
        """
        if dialogue != self._last_dialogue:
            self._dialogues += 1
            self._last_dialogue = dialogue
        self.pairs += 1
        self._hashes.append(hash_pair(query, reply))
        query, reply, *context = map(self._segmenter.split, (query, reply, *context))
        self._cut_queries += len(query) > self._max_length
        self._cut_replies += len(reply) >= self._max_length
        if context:
            joined = join_turns([*context, query], self._max_length)
            self._query.add(joined, len(joined) - min(len(query), self._max_length))
        else:
            self._query.add(query[: self._max_length])
        self._reply.add(end_reply(reply, self._max_length))
        if len(self._query.tokens) + len(self._reply.tokens) >= _CHUNK_TOKENS:
            self.flush()

    def flush(self) -> None:
        """Writes what was taken in, under the word table's numbers."""
        for side in (self._query, self._reply):
            counted = side.flush()
            counts = np.bincount(counted, minlength=max(len(side.words), len(self.counts)))
            counts[: len(self.counts)] += self.counts
            self.counts = counts
        _append(self._pairs_file, b"".join(self._hashes))
        self._hashes.clear()

    def finish(self, final_ids: npt.NDArray[Any], copied_from: int = 0) -> dict[str, int]:
        """Replaces the word table's numbers in the files by the vocabulary's ids, `[numbers]`.

        Args:
            final_ids: The vocabulary's ids.
            copied_from: The first id of the words that can be copied, V; 0 means that none can.

        Returns:
            What the part holds: pairs, dialogues, tokens and cut turns.
        """
        query, reply = (side.finish(final_ids) for side in (self._query, self._reply))
        if copied_from:
            write_copies(query, reply, final_ids, copied_from)
        for side in (query, reply):
            side.numbers.unlink()
        is_unknown = final_ids[: len(self.counts)] == UNK
        return {
            "pairs": self.pairs,
            "dialogues": self._dialogues,
            "query_tokens": self._query.token_count,
            "context_tokens": self._query.context_count,
            "reply_tokens": self._reply.token_count,
            "unknown_tokens": int(self.counts[is_unknown].sum()),
            "cut_queries": self._cut_queries,
            "cut_replies": self._cut_replies,
        }


class _SideWriter:
    """Streams one side of one part to its three files."""

    def __init__(self, directory: Path, name: str, words: WordTable) -> None:
        self.words = words
        self.tokens: list[str] = []
        self.token_count = 0
        self.context_count = 0
        self._pair_lengths: list[int] = []
        self._contexts: list[tuple[int, int]] = []  # where each begins and ends in the tokens
        self._final = directory / f"{name}.ids"
        self._provisional = directory / f"{name}.ids{_PROVISIONAL}"
        self._offsets = directory / f"{name}.offsets"
        self._lengths = directory / f"{name}.lengths"

    def add(self, tokens: list[str], context: int = 0) -> None:
        """Takes in a pair's tokens, the first `context` of which do not count."""
        if context:
            self._contexts.append((len(self.tokens), len(self.tokens) + context))
        self.tokens += tokens
        self._pair_lengths.append(len(tokens))

    def flush(self) -> npt.NDArray[np.int32]:
        """Writes what was taken in; returns the numbers that count."""
        numbers = map(self.words.__getitem__, self.tokens)
        ids = np.fromiter(numbers, dtype=_PROVISIONAL_TYPE, count=len(self.tokens))
        lengths = np.array(self._pair_lengths, dtype=LENGTH_TYPE)
        offsets = self.token_count + np.cumsum(lengths, dtype=OFFSET_TYPE) - lengths
        _append(self._provisional, ids.tobytes())
        _append(self._offsets, offsets.tobytes())
        _append(self._lengths, lengths.tobytes())
        self.token_count += len(ids)
        self.tokens.clear()
        self._pair_lengths.clear()
        return self._leave_out_contexts(ids) if self._contexts else ids

    def _leave_out_contexts(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        starts, ends = np.array(self._contexts).T
        self._contexts.clear()
        steps = np.zeros(len(ids), np.int8)
        steps[starts] = 1
        steps[ends] = -1  # within the tokens, for a turn to reply to follows each context
        counted: npt.NDArray[np.int32] = ids[np.cumsum(steps, dtype=np.int8) == 0]
        self.context_count += len(ids) - len(counted)
        return counted

    def finish(self, final_ids: npt.NDArray[Any]) -> SideFiles:
        """Writes the final ids; the numbers stay."""
        with open(self._provisional, "rb") as source, open(self._final, "wb") as target:
            while True:
                ids = np.fromfile(source, dtype=_PROVISIONAL_TYPE, count=_CHUNK_TOKENS)
                if not len(ids):
                    break
                target.write(final_ids[ids].tobytes())
        return SideFiles(self._provisional, self._final, self._lengths)


def _append(path: Path, content: bytes) -> None:
    # Written through a file object: numpy's own `tofile` does not say why it failed.
    with open(path, "ab") as file:
        file.write(content)


def write_meta(directory: Path, meta: dict[str, Any]) -> None:
    """Flushes the closed files of a directory to the disk and then describes them in `meta.json`.

    Format, sizes and the vocabulary's digest are added to `meta`.
    """
    sizes = _measure(directory)
    for name in sizes:
        flush_to_disk(directory / name)
    content = {**meta, "format": FORMAT, "sizes": sizes, "vocabulary": _digest(directory)}
    write_json(directory / META_FILE, content)


def read_meta(directory: Path) -> dict[str, Any] | None:
    """Reads `meta.json` and checks the files that it describes.

    Returns:
        Its content, or None if the directory is absent or of another format, the size of a file
        has changed, or the vocabulary's content.
    """
    try:
        meta = json.loads((directory / META_FILE).read_text(encoding="utf-8"))
        if meta["format"] != FORMAT or meta["sizes"] != _measure(directory):
            return None
        return dict(meta) if meta["vocabulary"] == _digest(directory) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _measure(directory: Path) -> dict[str, int]:
    with os.scandir(directory) as entries:
        return {entry.name: entry.stat().st_size for entry in entries if entry.name != META_FILE}


def _digest(directory: Path) -> str:
    model = directory / MODEL_FILE
    words = (directory / VOCABULARY_FILE).read_bytes()
    return hash_files(words, model.read_bytes() if model.exists() else b"")
