"""The words a model knows and their numbers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from chatbot.errors import ChatbotError
from chatbot.system.files import write_whole

PAD, GO, EOS, UNK, SEP = 0, 1, 2, 3, 4
SPECIAL_TOKENS = ("<pad>", "<go>", "<eos>", "<unk>", "<sep>")


class Vocabulary:
    """The words a model knows, numbered from 0, the five special tokens first.

    Attributes:
        words: Every word; its place is its id.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """Numbers all words, which begin with `SPECIAL_TOKENS`.

        Raises:
            ValueError: The special tokens are not first, or a word is there twice or is not a word.
        """
        self.words = tuple(words)
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
        """The SHA-256 of the vocabulary file's bytes, in hexadecimal."""
        return hashlib.sha256(self._bytes).hexdigest()

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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the words, one a line, into a file that is whole or absent."""
        with write_whole(path) as file:
            file.write(self._bytes)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        r"""Reads a file of `save`: UTF-8, one word a line, each line ended by "\n" alone.

        Raises:
            ChatbotError: The file cannot be read or is not a vocabulary; names the line.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise ChatbotError(
                f"{path}: the vocabulary cannot be read ({error.strerror}); "
                "give a directory that train.py has written"
            ) from error
        return cls(_parse_words(str(path), content))


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
