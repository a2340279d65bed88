"""Tokens back to natural text.

Tokens do not say where blanks were, so `join` guesses as a reader would: a sign leans on the word
before it, on the word after it, on both or on neither. Whatever the guess, no two tokens are run
together that `chatbot.text.tokens.tokenize` would not cut apart again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

# Han with all its extensions and compatibility forms, 々 〆 〇 〻 and Suzhou numerals, as a regular
# expression's character class has them between its brackets.
IDEOGRAPHS = (
    "\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)

IDEOGRAPH = re.compile(f"[{IDEOGRAPHS}]")
# Ideographs, kana and the signs written among them.
WIDE = re.compile(f"[{IDEOGRAPHS}\u3001-\u30ff\u31f0-\u31ff]")
FULL_WIDTH = dict(zip(",?!:;", "，？！：；"))

BEFORE, AFTER = 1, 2  # leans on the token before it, on the token after it
BOTH = BEFORE | AFTER
_LEANS = {**dict.fromkeys(".,!?;:%°′″、。", BEFORE), **dict.fromkeys("¿¡", AFTER), "·": BOTH}
_CATEGORY_LEANS = {
    **dict.fromkeys(("Pe", "Pf", "Sk"), BEFORE),
    **dict.fromkeys(("Ps", "Pi"), AFTER),
}
# Two words that a stop holds together.
ABBREVIATIONS = frozenset("a.m p.m e.g i.e u.s u.k u.n d.c l.a n.y b.c p.s ph.d".split())
DOMAINS = frozenset(("com", "org", "net", "edu", "gov", "cn"))
ENDINGS = frozenset(("s", "t", "m", "re", "ve", "ll", "d"))  # don't, it's, we're
BEGINNINGS = frozenset(("o", "y", "ma"))  # o'clock, y'all, ma'am
ELIDED = frozenset(("em", "cause", "cuz", "til", "till", "bout", "tis", "twas", "n"))  # 'em, 'tis


def has_ideograph(text: str) -> bool:
    """Tells whether a text has a Chinese character."""
    return IDEOGRAPH.search(text) is not None


def join(tokens: Iterable[str]) -> str:
    """Writes tokens as natural text: "i don't know.", "我是中国人", "你好，我是皮皮。".

    For every list of tokens that `tokenize` gives, `tokenize(join(tokens))` gives it again. A
    special token is written as it is.
    """
    words = [token for token in tokens if token]
    leans = _lean(words)
    written: list[str] = []
    wide = False  # amid Chinese or Japanese writing
    for place, token in enumerate(words):
        glued = place > 0 and _is_glued(words, leans, place, wide)
        if place > 0 and not glued:
            written.append(" ")
        written.append(FULL_WIDTH.get(token, token) if wide else token)
        wide = WIDE.match(token) is not None or (wide and not is_word(token))
    return "".join(written)


def is_word(token: str) -> bool:
    """Tells whether a token, which is not empty, is a word; else it is a sign."""
    return len(token) > 1 or token.isalnum() or token == "_"


def _is_glued(words: Sequence[str], leans: Sequence[int], place: int, wide: bool) -> bool:
    left, right = words[place - 1], words[place]
    if unicodedata.category(right[0])[0] == "M":
        return False  # it had no letter; written on this one it would belong to it
    if IDEOGRAPH.match(left) or IDEOGRAPH.match(right):
        return True
    if is_word(left) and is_word(right):
        return False
    if leans[place - 1] & AFTER or leans[place] & BEFORE:
        return True
    return wide or WIDE.match(right) is not None


def _lean(words: Sequence[str]) -> list[int]:
    leans = []
    for place, token in enumerate(words):
        before = words[place - 1] if place else ""
        after = words[place + 1] if place + 1 < len(words) else ""
        leans.append(0 if is_word(token) else lean_sign(before, token, after))
    _pair_quotes(words, leans)
    _pair_apostrophes(words, leans)
    _part_faces(words, leans)
    return leans


def lean_sign(before: str, token: str, after: str) -> int:
    """Returns how one sign leans by its neighbours, each "" where there is none."""
    if token in ".,:" and _is_within(before, token, after):
        return BOTH
    if token in "/@&":
        close = before and after and is_word(before) and is_word(after)
        return BOTH if close and (token != "&" or len(before) == len(after) == 1) else 0
    if token == "-":
        return _lean_hyphen(before, after)
    if token == "#":
        return AFTER if after and is_word(after) else 0
    category = unicodedata.category(token)
    if category == "Sc":
        return AFTER if after.isdigit() else BEFORE if before.isdigit() else 0
    if category == "So" and token not in _LEANS:
        return BEFORE if before and unicodedata.category(before[0]) in ("So", "Sk") else 0
    return _LEANS.get(token, _CATEGORY_LEANS.get(category, 0))


def _is_within(before: str, token: str, after: str) -> bool:
    """Tells whether a stop, comma or colon is inside a number, a time or an abbreviation."""
    if before.isdigit() and after.isdigit():
        return token != "," or (len(before) <= 3 and len(after) == 3)
    address = before == "www" or (after in DOMAINS and before != "" and is_word(before))
    return token == "." and (address or f"{before}.{after}" in ABBREVIATIONS)


def _lean_hyphen(before: str, after: str) -> int:
    closes_before = before != "" and (before == "-" or is_word(before))
    closes_after = after != "" and (after == "-" or is_word(after))
    if closes_before and closes_after:
        return BOTH
    if closes_before:
        return BEFORE if after == "" else 0
    return AFTER if after == "-" or after.isdigit() else 0


def _pair_quotes(words: Sequence[str], leans: list[int]) -> None:
    places = [place for place, token in enumerate(words) if token == '"']
    for number, place in enumerate(places):
        leans[place] = BEFORE if number % 2 else AFTER
    if len(places) % 2 and places[-1] == len(words) - 1:
        leans[places[-1]] = BEFORE


def _pair_apostrophes(words: Sequence[str], leans: list[int]) -> None:
    """Lets apostrophes close contractions, and the others pair up as quotes."""
    quotes = []
    for place, token in enumerate(words):
        if token != "'":
            continue
        before = words[place - 1] if place else ""
        after = words[place + 1] if place + 1 < len(words) else ""
        if is_contraction(before, after):
            leans[place] = BOTH
        elif after in ELIDED:
            leans[place] = AFTER
        elif place > 1 and before == "n" and words[place - 2] == "'":
            leans[place] = BEFORE  # the second one of rock 'n' roll
        else:
            quotes.append(place)
    for number, place in enumerate(quotes):
        leans[place] = BEFORE if number % 2 else AFTER
    if len(quotes) % 2 and quotes[-1] > 0 and is_word(words[quotes[-1] - 1]):
        leans[quotes[-1]] = BEFORE  # unpaired: a plural's or a dropped g, dogs' and goin'


def is_contraction(before: str, after: str) -> bool:
    """Tells whether an apostrophe between two tokens, "" where there is none, joins them."""
    if not before or not after or not is_word(before) or IDEOGRAPH.match(before):
        return False
    return after in ENDINGS or (before in BEGINNINGS and is_word(after))


def _part_faces(words: Sequence[str], leans: list[int]) -> None:
    """Keeps the colon of a :) that closes no bracket off the word before it."""
    depth = 0
    for place, token in enumerate(words):
        if token == "(":
            depth += 1
        elif token == ")" and depth:
            depth -= 1
        elif token == ")" and place and words[place - 1] in (":", ";"):
            leans[place - 1] = 0
