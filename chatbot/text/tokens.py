r"""Text to tokens and back: one way of writing for training and for chat.

A text is normalised, then cut into the tokens `\w+|[^\w\s]` with each CJK ideograph on its own. A
mark (a vowel sign of Hindi or Thai, an accent) belongs to the character that it is written on.
"""

from __future__ import annotations

import re
from unicodedata import category, normalize

from chatbot.text.joining import IDEOGRAPHS


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
    """Writes a text in the one form that tokens are cut from; doing it again changes nothing.

    NFKC, lower case, ’ and ‘ as ', a run of blanks or control characters as one blank, none at the
    ends. Characters that nobody sees are left out, a lone surrogate becomes U+FFFD, and a letter
    keeps at most 30 combining marks (ordering more of them takes quadratic time).
    """
    if not text.isascii():
        text = text.replace("’", "'").replace("‘", "'")
        if not text.isascii():
            text = _normalise_unicode(text)
    return " ".join(_SEPARATOR.sub(" ", text.lower()).split())


def tokenize(text: str) -> list[str]:
    """Normalises a text and cuts it into words, ideographs and single signs.

    A typed special token such as "<eos>" gives "<", "eos", ">".
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
