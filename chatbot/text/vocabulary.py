"""The words a model knows and their numbers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chatbot.errors import ChatbotError
from chatbot.system.files import write_whole
from chatbot.text import joining
from chatbot.text.segmenter import Segmenter
from chatbot.text.specials import SPECIAL_TOKENS, UNK
from chatbot.text.subwords import MODEL_FILE, Subwords

if TYPE_CHECKING:
    import numpy.typing as npt

NO_SUBWORDS = "none"


class Vocabulary:
    """The words a model knows, numbered from 0, the five special tokens first.

    Attributes:
        words: Every token, a word or a piece of one; its place is its id.
        segmenter: Cuts words into these tokens.
    """

    def __init__(self, words: Sequence[str], segmenter: Segmenter | None = None) -> None:
        """Numbers all words, which begin with `SPECIAL_TOKENS`.

        Args:
            words: The words.
            segmenter: Cuts words into them; None leaves words whole.

        Raises:
            ValueError: The special tokens are not first, or a word is there twice or is not a word.
        """
        self.words = tuple(words)
        self.segmenter = segmenter or Segmenter()
        if self.words[: len(SPECIAL_TOKENS)] != SPECIAL_TOKENS:
            raise ValueError(f"a vocabulary begins with {' '.join(SPECIAL_TOKENS)}")
        self._ids: dict[str, int] = {}
        for number, word in enumerate(self.words):
            if word.split() != [word]:
                raise ValueError(
                    f"word {number} of the vocabulary is empty or has blanks: {word!r}"
                )
            if self._ids.setdefault(word, number) != number:
                raise ValueError(f"the vocabulary has {word!r} twice")
        self._bytes = "".join(f"{word}\n" for word in self.words).encode()

    @classmethod
    def build(cls, counts: Mapping[str, int], vocab_size: int, min_count: int) -> Vocabulary:
        """Chooses the most frequent words, equally frequent ones in alphabetical order.

        Args:
            counts: How often each token occurs.
            vocab_size: The most words to keep, the special tokens among them.
            min_count: The least number of times that a word must occur.

        Raises:
            ValueError: `vocab_size` has no room for the special tokens.
        """
        if vocab_size < len(SPECIAL_TOKENS):
            raise ValueError(
                f"vocab_size is {vocab_size}, below the {len(SPECIAL_TOKENS)} specials"
            )
        known = [word for word, count in counts.items() if count >= min_count]
        chosen = sorted(set(known) - set(SPECIAL_TOKENS), key=lambda word: (-counts[word], word))
        return cls((*SPECIAL_TOKENS, *chosen[: vocab_size - len(SPECIAL_TOKENS)]))

    def __len__(self) -> int:
        """The number of words, the special tokens among them."""
        return len(self.words)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the bytes of the vocabulary's files, in hexadecimal."""
        return hash_files(self._bytes, self.segmenter.model)

    @cached_property
    def begins(self) -> npt.NDArray[np.bool_]:
        """Which tokens begin a word or are special, `bool [V]`."""
        return np.array([self.segmenter.begins(word) for word in self.words])

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Returns the id of each token, `UNK` for an unknown one."""
        find = self._ids.get
        return [find(token, UNK) for token in tokens]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Returns the word of each id, the special tokens among them.

        Raises:
            ValueError: An id is outside the vocabulary.
        """
        numbers = [int(number) for number in ids]
        for number in numbers:
            if not 0 <= number < len(self.words):
                raise ValueError(f"id {number} is outside a vocabulary of {len(self.words)} words")
        return [self.words[number] for number in numbers]

    def write(self, tokens: Iterable[str]) -> str:
        """Writes tokens as natural text."""
        return joining.join(self.segmenter.join(list(tokens)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the words, one a line, into a file that is whole or absent.

        What the segmenter has learned goes into `MODEL_FILE` beside it.
        """
        with write_whole(path) as file:
            file.write(self._bytes)
        if self.segmenter.model:
            with write_whole(Path(path).with_name(MODEL_FILE)) as file:
                file.write(self.segmenter.model)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        subwords: str = NO_SUBWORDS,
        known: Mapping[str, object] | None = None,
    ) -> Vocabulary:
        r"""Reads a file of `save`: UTF-8, one word a line, each line ended by "\n" alone.

        Args:
            path: The file of the words.
            subwords: "bpe" or "unigram" for one of pieces, whose `MODEL_FILE` is beside it.
            known: The number of the words (`words`) and their digest (`sha256`), if they are known;
                `MODEL_FILE` is not looked into before they are compared.

        Raises:
            ChatbotError: A file cannot be read, is not a vocabulary (names the line) or not the
                known one.
        """
        content = _read(Path(path))
        words = _parse_words(str(path), content)
        has_model = subwords != NO_SUBWORDS
        model = _read(Path(path).with_name(MODEL_FILE)) if has_model else b""
        files = f"{path}, with the {MODEL_FILE} beside it," if has_model else str(path)
        cure = "restore the file or train again"
        if known is not None and hash_files(content, model) != known.get("sha256"):
            raise ChatbotError(
                f"{files} is not the vocabulary that the model was trained with "
                f"({known.get('words')} words); {cure}"
            )
        if not has_model:
            return cls(words)
        try:
            return cls._join_files(words, Subwords(model, subwords))
        except ValueError as error:
            raise ChatbotError(f"{files} is damaged ({error}); {cure}") from None

    @classmethod
    def _join_files(cls, words: Sequence[str], segmenter: Subwords) -> Vocabulary:
        if segmenter.tokens != tuple(words):
            raise ValueError("the two do not belong together")
        return cls(words, segmenter)


def hash_files(words: bytes, model: bytes = b"") -> str:
    """Hashes the contents of a vocabulary's files, the words' and the segmenter's, by SHA-256."""
    return hashlib.sha256(words + model).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ChatbotError(
            f"{path}: the vocabulary cannot be read ({error.strerror}); "
            "give a directory that train.py has written"
        ) from error


def _parse_words(path: str, content: bytes) -> list[str]:
    cure = "restore the vocab.txt that was written with this model, or train again"
    *lines, rest = content.split(b"\n")
    if rest:
        raise ChatbotError(f"{path}:{len(lines) + 1}: the last line is cut short; {cure}")
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        try:
            word = line.decode()
        except UnicodeDecodeError:
            raise ChatbotError(f"{path}:{number}: this line is not UTF-8; {cure}") from None
        if word.split() != [word]:
            raise ChatbotError(f"{path}:{number}: a line is one word without blanks; {cure}")
        if number <= len(SPECIAL_TOKENS) and word != SPECIAL_TOKENS[number - 1]:
            raise ChatbotError(f"{path}:{number}: expected {SPECIAL_TOKENS[number - 1]}; {cure}")
        if seen.setdefault(word, number) != number:
            raise ChatbotError(f"{path}:{number}: {word!r} is line {seen[word]} already; {cure}")
    if len(lines) < len(SPECIAL_TOKENS):
        raise ChatbotError(f"{path}:{len(lines) + 1}: the special tokens are missing; {cure}")
    return list(seen)
