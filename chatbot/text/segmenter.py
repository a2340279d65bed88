"""From words to the tokens that a network reads, and back."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import ClassVar


class Segmenter:
    """Leaves words whole: each is a token. `Subwords` cuts them into pieces.

    Attributes:
        model: What it has learned, as a file's content; empty for nothing.
        needs: {package: least version} of what it needs besides this program.
    """

    model: bytes = b""
    needs: ClassVar[Mapping[str, str]] = {}

    def split(self, words: Sequence[str]) -> list[str]:
        """Cuts words, as `tokenize` gives them, into tokens."""
        return list(words)

    def join(self, tokens: Sequence[str]) -> list[str]:
        """Joins tokens to words; for every list of words `join(split(words))` is that list.

        Any other tokens, as a network may write them, are joined as `tokenize` would read them.
        """
        return list(tokens)

    def begins(self, token: str) -> bool:
        """Tells whether a token begins a word or is special: each word has one that does."""
        del token
        return True

    def draw(self, tokens: Sequence[str], amount: float, generator: random.Random) -> list[str]:
        """Cuts one word, given by its tokens, another way at random.

        Args:
            tokens: All tokens of a word, or a special one.
            amount: How far to stray, in (0, 1]; what it means depends on the pieces.
            generator: Where the randomness comes from.
        """
        del amount, generator
        return list(tokens)
