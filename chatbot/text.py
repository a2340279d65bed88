r"""Text to tokens and back: one way of writing for training and for chat.

A text is normalised, then cut into the tokens `\w+|[^\w\s]` with each CJK ideograph on its own. A
mark (a vowel sign of Hindi or Thai, an accent) belongs to the character that it is written on.
`Vocabulary` gives the tokens numbers; `chatbot.joining` (here as `join`) writes tokens as text.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from unicodedata import category, normalize

from chatbot.errors import ChatbotError
from chatbot.joining import IDEOGRAPHS, join
from chatbot.system.files import write_whole

__all__ = [
    "EOS",
    "GO",
    "PAD",
    "SEP",
    "SPECIAL_TOKENS",
    "UNK",
    "Vocabulary",
    "join",
    "normalise",
    "tokenize",
]

PAD, GO, EOS, UNK, SEP = 0, 1, 2, 3, 4
SPECIAL_TOKENS = ("<pad>", "<go>", "<eos>", "<unk>", "<sep>")


def _list_marks(start: int, end: int) -> str:
    """Writes Unicode's combining marks as a character class has them between its brackets."""
    found = "".join(chr(c) if category(chr(c))[0] == "M" else " " for c in range(start, end))
    return "".join(run if len(run) < 3 else f"{run[0]}-{run[-1]}" for run in found.split())


# There are none below, and above only variation selectors, which `normalise` leaves out. A class
# with characters beyond U+FFFF is searched range by range, so those are asked for apart.
_MARKS, _RARE_MARKS = _list_marks(0x300, 0x10000), _list_marks(0x10000, 0x1F000)
_RARE = "\U00010000-\U0001efff"
_MARK = rf"(?:[{_MARKS}]|(?=[{_RARE}])[{_RARE_MARKS}])"
_PERHAPS_MARK = re.compile(f"[{_MARKS}{_RARE}]")
_MARKED_TOKEN = re.compile(
    rf"[{IDEOGRAPHS}]{_MARK}*"
    rf"|[^\W{IDEOGRAPHS}]+(?:{_MARK}+[^\W{IDEOGRAPHS}]*)*"
    rf"|[^\w\s]{_MARK}*"
)
# The same tokens for a text without marks.
_TOKEN = re.compile(rf"[{IDEOGRAPHS}]|[^\W{IDEOGRAPHS}]+|[^\w\s]")
# The same tokens for lower-case ASCII; its control characters separate, as normalise says.
_ASCII_TOKEN = re.compile(r"[a-z0-9_]+|[!-/:-@\[-^`{-~]")
# A control character or a zero-width space separates words.
_SEPARATOR = re.compile("[\x00-\x20\x7f-\xa0\u200b]+")
# Seen by nobody, yet able to split a word, turn a terminal's direction or hide a message: joiners,
# direction marks, variation selectors, tag characters, byte order marks.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180b-\u180f\u200c-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]+"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONG_TEXT = 1000  # characters; below it sorting combining marks cannot take long
_MAX_MARKS = 30  # marks on one letter, the bound of Unicode's stream-safe text format
_FLOOD = re.compile(rf"{_MARK}{{{_MAX_MARKS + 1},}}")


def normalise(text: str) -> str:
    """Writes a text in the one form that tokens are cut from.

    NFKC, lower case, ’ and ‘ as ', a run of blanks or control characters as one blank, none at the
    ends. Characters that nobody sees are left out, a lone surrogate becomes U+FFFD, and a letter
    keeps at most 30 combining marks (ordering more of them takes quadratic time).

    Args:
        text: any string.

    Returns:
        The normalised text; normalising it again changes nothing.
    """
    if not text.isascii():
        text = text.replace("’", "'").replace("‘", "'")
        if not text.isascii():
            text = _normalise_unicode(text)
    return " ".join(_SEPARATOR.sub(" ", text.lower()).split())


def tokenize(text: str) -> list[str]:
    """Cuts a text into words, ideographs and single signs.

    Args:
        text: any string; it is normalised first.

    Returns:
        The tokens. A typed special token such as "<eos>" gives "<", "eos", ">".
    """
    if not text.isascii():
        text = text.replace("’", "'").replace("‘", "'")
        if not text.isascii():
            text = normalise(text)
            return (_MARKED_TOKEN if _PERHAPS_MARK.search(text) else _TOKEN).findall(text)
    return _ASCII_TOKEN.findall(text.lower())


def _normalise_unicode(text: str) -> str:
    text = _INVISIBLE.sub("", _SURROGATE.sub("\ufffd", text))
    if len(text) > _LONG_TEXT:
        text = _limit_marks(text)
    lower = normalize("NFKC", text).lower()
    # Lower case can undo the normal form, and the normal form can make one of the signs above, or
    # several marks of one.
    return _limit_marks(_INVISIBLE.sub("", normalize("NFKC", lower)))


def _limit_marks(text: str) -> str:
    if not _PERHAPS_MARK.search(text):
        return text
    return _FLOOD.sub(lambda run: run[0][:_MAX_MARKS], text)


class Vocabulary:
    """The words a model knows, numbered from 0, the five special tokens first.

    Attributes:
        words: every word; its place is its id.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """Numbers the words.

        Args:
            words: all words, beginning with `SPECIAL_TOKENS`.

        Raises:
            ValueError: the special tokens are not first, or a word is there twice or is not a word.
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
        """Chooses the most frequent words.

        Args:
            counts: how often each token occurs.
            vocab_size: the most words to keep, the special tokens among them.
            min_count: a word that occurs less often is left out.

        Returns:
            The vocabulary, most frequent words first, equally frequent ones in the words' order.

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
        """Looks up the ids of tokens.

        Args:
            tokens: tokens of `tokenize`.

        Returns:
            One id a token, `UNK` for an unknown one.
        """
        find = self._ids.get
        return [find(token, UNK) for token in tokens]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Looks up the words of ids.

        Args:
            ids: numbers from 0 to the vocabulary's size, special tokens allowed.

        Returns:
            One word an id.

        Raises:
            ValueError: an id is outside the vocabulary.
        """
        numbers = [int(number) for number in ids]
        for number in numbers:
            if not 0 <= number < len(self.words):
                raise ValueError(f"id {number} is outside a vocabulary of {len(self.words)} words")
        return [self.words[number] for number in numbers]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the words, one a line, so that the file is whole or absent.

        Args:
            path: the file, replaced if it is there.
        """
        with write_whole(path) as file:
            file.write(self._bytes)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        r"""Reads a file of `save`: UTF-8, one word a line, each line ended by "\n" alone.

        Args:
            path: the file.

        Returns:
            The vocabulary.

        Raises:
            ChatbotError: the file cannot be read or is not a vocabulary; names the line.
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
