"""What `chatbot.text` does to characters, as tables and classes that RE2 understands.

Everything is read off this Python's own Unicode tables, so that an exported model needs none.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from typing import NamedTuple
from unicodedata import category, normalize

from chatbot.text import normalise
from chatbot.text.joining import IDEOGRAPHS

_BETWEEN = "\ue000"
"""A private character, which nothing changes: it stands between those that are normalised."""
_NORMALISED = (*range(0xD800), *range(0xE001, 0x30000), *range(0xE0000, 0xE1000))
"""Code points that can change: others are surrogates, ideographs, private or unassigned."""


class Characters(NamedTuple):
    """How text is normalised and cut, one character after the other.

    Attributes:
        invisible: RE2's expression for characters that are left out.
        normal_forms: {character: its normal form} for those that have another and are not left
            out; a blank for one that separates.
        compositions: {letter and marks, as they decompose: the letter that is composed of them},
            in lower case.
        marked: RE2's expression for a character with its marks.
        token: RE2's expression for a token of normalised text.
    """

    invisible: str
    normal_forms: dict[str, str]
    compositions: dict[str, str]
    marked: str
    token: str


@functools.cache
def list_characters() -> Characters:
    """Reads the tables, which takes a second or two."""
    characters = [chr(code) for code in _NORMALISED]
    text = _BETWEEN + _BETWEEN.join(characters) + _BETWEEN
    forms = dict(zip(characters, normalise(text).split(_BETWEEN)[1:]))
    ideograph = re.compile(f"[{IDEOGRAPHS}]")
    word = re.compile(r"\w")
    letters = _list_ranges(lambda c: word.match(c) is not None and ideograph.match(c) is None)
    marks = _list_ranges(lambda c: category(c)[0] == "M")
    han = _list_ranges(lambda c: ideograph.match(c) is not None)
    return Characters(
        f"[{_list_ranges(lambda c: forms.get(c) == '')}]+",
        {c: form for c, form in forms.items() if form not in ("", c)},
        _compose(characters, forms),
        f"[^{marks}][{marks}]*",
        f"[{han}][{marks}]*|[{letters}][{letters}{marks}]*|[^{han}{letters} ][{marks}]*",
    )


def _compose(characters: list[str], forms: dict[str, str]) -> dict[str, str]:
    """Lists the ways to write a composed letter, fully decomposed or by one mark."""
    found = {}
    for character in characters:
        apart = normalize("NFD", character)
        if len(apart) == 1 or forms[character] != character or category(apart[1])[0] != "M":
            continue
        found[apart] = character
        for place in range(2, len(apart)):
            found[normalize("NFC", apart[:place]) + apart[place:]] = character
    return found


def _list_ranges(belongs: Callable[[str], bool]) -> str:
    """Writes a set of characters as RE2 has it between a class' brackets."""
    ranges: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if belongs(chr(code)):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges)
