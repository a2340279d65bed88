"""Pretrained word vectors: files of word2vec (text and binary), GloVe and fastText (.vec).

All but GloVe's begin with a line of two numbers, how many vectors there are and how wide. Each
vector follows its word and a blank: as numbers in a line of text, or as float32 in binary. A file
is read once, in pieces, also if gzip, bzip2 or xz has packed it, and only the words that are asked
for are kept.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chatbot.corpus.packed import DAMAGED, unpack
from chatbot.errors import ChatbotError

PIECE = 1 << 20
"""Bytes that are read at once."""
LONGEST_WORD = 1 << 12
"""Bytes."""
_HEADER = re.compile(rb"(\d+)[ \t](\d+)[ \t]*\r?\n")
_NUMBER = re.compile(rb"[-+.\deE]+")
_OTHERS = {
    b"PK\x03\x04": "a zip; unpack it and give the file in it",
    b"\xba\x16\x4f\x2f": "a fastText model; give its .vec file",
}


class WordVectors(NamedTuple):
    """Vectors that were found.

    Attributes:
        places: `int64 [N]`, the places of the words that have one, in the order asked for.
        vectors: `float32 [N, E]`.
    """

    places: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]


class Form(NamedTuple):
    """What the beginning of a file says of the rest.

    Attributes:
        begin: Bytes of the header.
        vectors: Their number, or None without a header.
        width: Numbers in each.
        is_binary: Whether they are float32, not text.
    """

    begin: int
    vectors: int | None
    width: int
    is_binary: bool


def check_vectors(path: str, width: int) -> None:
    """Looks at the beginning of a file.

    Raises:
        ChatbotError: It cannot be read, has no word vectors, or they are not of this width.
    """
    with _open(path) as file:
        _detect(path, file.read(PIECE), width)


def read_vectors(path: str, words: Sequence[str], width: int) -> WordVectors:
    """Reads the vectors of some words.

    A word has the vector of the same word in the file, the first if there are several; where there
    is none, that of the first word there that is the same in lower case.

    Args:
        path: The file.
        words: In lower case, each once.
        width: Numbers of a vector, E.

    Raises:
        ChatbotError: As `check_vectors`, or the file is damaged; names the place.
    """
    wanted = {word.encode(): place for place, word in enumerate(words)}
    vectors = np.zeros([len(words), width], np.float32)
    ranks = np.zeros(len(words), np.int8)  # 2 for the same word, 1 for one in another case
    with _open(path) as file:
        beginning = file.read(PIECE)
        form = _detect(path, beginning, width)
        read = _read_binary if form.is_binary else _read_text
        for word, convert in read(path, file, beginning[form.begin :], form):
            place, rank = wanted.get(word), 2
            if place is None:
                place, rank = wanted.get(_fold(word)), 1
            if place is not None and ranks[place] < rank:
                vectors[place], ranks[place] = convert(), rank
    places = np.flatnonzero(ranks)
    return WordVectors(places, vectors[places])


def _fold(word: bytes) -> bytes:
    return word.lower() if word.isascii() else word.decode("utf-8", "replace").lower().encode()


@contextlib.contextmanager
def _open(path: str) -> Iterator[IO[bytes]]:
    try:
        with open(path, "rb") as file:
            yield unpack(file, path, os.fstat(file.fileno()).st_size)
    except DAMAGED:
        raise ChatbotError(f"{path} is damaged, it does not unpack; fetch it again") from None
    except OSError as error:
        raise ChatbotError(
            f"--embeddings={path} cannot be read ({error.strerror or error}); name a file"
        ) from None


def _detect(path: str, beginning: bytes, wanted: int) -> Form:
    """Finds out how a file is written, from its first bytes."""
    for mark, what in _OTHERS.items():
        if beginning.startswith(mark):
            raise ChatbotError(f"--embeddings={path} is {what}")
    header = _HEADER.match(beginning)
    if header is not None:
        begin, count, width = header.end(), int(header[1]), int(header[2])
        form = Form(begin, count, width, not _count_numbers(beginning[begin:]))
    else:
        form = Form(0, None, _count_numbers(beginning), False)
        if not form.width:
            raise ChatbotError(
                f"{path}:1: this is no word and its vector; give a file of word2vec, GloVe or "
                "fastText (.vec)"
            )
    if form.width != wanted:
        raise ChatbotError(
            f"{path} has vectors of {form.width} numbers; give --embedding_size={form.width}"
        )
    return form


def _count_numbers(text: bytes) -> int:
    """Counts the numbers behind the word of the first line; 0 if something else is there."""
    numbers = text.partition(b"\n")[0].split()[1:]
    return len(numbers) if all(map(_NUMBER.fullmatch, numbers)) else 0


def _read_text(path: str, file: IO[bytes], rest: bytes, form: Form) -> Iterator[tuple[bytes, Any]]:
    """Yields each word and what makes its vector, line by line."""
    number, vectors = (0, 0) if form.vectors is None else (1, 0)
    is_last = False
    while not is_last:
        piece = file.read(PIECE)
        is_last = not piece
        *lines, rest = (rest + piece).split(b"\n")
        for line in [*lines, rest] if is_last else lines:
            number += 1
            text = line.replace(b"\t", b" ").rstrip(b" \r")
            blanks = text.count(b" ")
            if blanks >= form.width:
                vectors += 1
                more = blanks - form.width  # blanks in the word itself
                word = text.rsplit(b" ", form.width)[0] if more else text[: text.index(b" ")]
                yield word, _Numbers(f"{path}:{number}", text[len(word) :])
            elif text:
                raise ChatbotError(
                    f"{path}:{number}: there are not {form.width} numbers after a word; fetch the "
                    "file again"
                )
    _check_count(path, vectors, form)


class _Numbers(NamedTuple):
    """Makes a vector of a line's numbers, a blank before each."""

    place: str
    text: bytes

    def __call__(self) -> Any:
        with contextlib.suppress(ValueError):
            numbers = np.array(self.text[1:].split(b" ")).astype(np.float32)
            return _check_finite(self.place, numbers)
        raise ChatbotError(f"{self.place}: a number is damaged; fetch the file again")


class _Floats(NamedTuple):
    """Makes a vector of its bytes."""

    place: str
    content: bytes

    def __call__(self) -> Any:
        return _check_finite(self.place, np.frombuffer(self.content, "<f4"))


def _check_finite(place: str, vector: Any) -> Any:
    if not np.isfinite(vector).all():
        raise ChatbotError(f"{place}: a number is infinite or none; fetch the file again")
    return vector


def _read_binary(
    path: str, file: IO[bytes], rest: bytes, form: Form
) -> Iterator[tuple[bytes, Any]]:
    """Yields each word and what makes its vector, until there are as many as announced."""
    size, begin = 4 * form.width, 0
    for number in range(form.vectors or 0):
        while True:
            end = rest.find(b" ", begin) + 1
            if end and len(rest) >= end + size:
                break
            if len(rest) - begin > LONGEST_WORD + size:
                raise ChatbotError(f"{path}: vector {number + 1} has no word; fetch the file again")
            piece = file.read(PIECE)
            if not piece:
                _check_count(path, number, form)
            rest, begin = rest[begin:] + piece, 0
        word = rest[begin : end - 1].lstrip(b"\n")
        if len(word) > LONGEST_WORD:
            raise ChatbotError(f"{path}: vector {number + 1} has no word; fetch the file again")
        begin = end + size
        yield word, _Floats(f"{path}: vector {number + 1}", rest[end:begin])


def _check_count(path: str, found: int, form: Form) -> None:
    if form.vectors is not None and found < form.vectors:
        raise ChatbotError(
            f"{path} ends after {found:,} of {form.vectors:,} vectors; fetch it again"
        )
