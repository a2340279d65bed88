"""How tokens lean on their neighbours, as tables over a vocabulary.

`chatbot.text.joining` decides by a token's two neighbours. Neighbours that it cannot tell apart are
one kind here, and its answers for every sign between every two kinds are written down.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple
from unicodedata import category

import numpy as np

from chatbot.text import joining

_TELLING = frozenset(
    (*itertools.chain(*(pair.split(".") for pair in joining.ABBREVIATIONS)), "www", "-", "'")
).union(joining.DOMAINS, joining.ENDINGS, joining.BEGINNINGS, joining.ELIDED)
"""Neighbours that are a kind of their own."""


class Traits(NamedTuple):
    """What joining asks about a token, each `int32`; of a vocabulary `[V + 1]`, "" the last.

    Attributes:
        kind: The token's kind as a neighbour.
        sign: Its kind as a sign, 0 for a word.
        is_word: Whether it is a word, as for the others.
        is_ideograph: An ideograph.
        is_wide: One of Chinese or Japanese writing.
        is_mark: One that begins with a mark.
        depth: 1 for an opening bracket, -1 for a closing one.
        is_eyes: A colon or semicolon, as in :).
        is_quote: A double quote.
        is_apostrophe: A single one.
        is_n: The word in rock 'n' roll.
    """

    kind: Any
    sign: Any
    is_word: Any
    is_ideograph: Any
    is_wide: Any
    is_mark: Any
    depth: Any
    is_eyes: Any
    is_quote: Any
    is_apostrophe: Any
    is_n: Any


def tabulate(words: Sequence[str]) -> tuple[Traits, Any]:
    """Makes the tables of a vocabulary.

    Returns:
        The traits, and how signs lean: `int8 [signs, kinds, kinds]`, the neighbour before comes
        first.
    """
    kinds: dict[Hashable, int] = {}
    examples: list[str] = []
    signs: dict[bytes, int] = {}
    known = [kinds.setdefault(_describe(word), len(kinds)) for word in (*words, "")]
    for word, kind in zip((*words, ""), known):
        if kind == len(examples):
            examples.append(word)
    leans = [np.zeros([len(kinds)] * 2, np.int8)]
    signs[leans[0].tobytes()] = 0
    rows = []
    for word, kind in zip((*words, ""), known):
        number = 0
        if word and not joining.is_word(word):
            lean = np.array([[_lean(b, word, a) for a in examples] for b in examples], np.int8)
            number = signs.setdefault(lean.tobytes(), len(signs))
            leans += [lean] if number == len(leans) else []
        rows.append((kind, number, *_ask(word)))
    return Traits(*np.array(rows, np.int32).T), np.stack(leans)


def _describe(word: str) -> Hashable:
    """Returns all that a neighbour's influence depends on."""
    if word == "" or word in _TELLING:
        return word
    is_symbol = category(word[0]) in ("So", "Sk")
    is_ideograph = joining.IDEOGRAPH.match(word) is not None
    return word.isdigit(), min(len(word), 4), joining.is_word(word), is_symbol, is_ideograph


def _lean(before: str, sign: str, after: str) -> int:
    """Returns how a sign leans, except for quotes."""
    if sign != "'":
        return joining.lean_sign(before, sign, after)
    if joining.is_contraction(before, after):
        return joining.BOTH
    return joining.AFTER if after in joining.ELIDED else 0


def _ask(word: str) -> tuple[int, ...]:
    return (
        bool(word) and joining.is_word(word),
        joining.IDEOGRAPH.match(word) is not None,
        joining.WIDE.match(word) is not None,
        word != "" and category(word[0])[0] == "M",
        {"(": 1, ")": -1}.get(word, 0),
        word in (":", ";"),
        word == '"',
        word == "'",
        word == "n",
    )
