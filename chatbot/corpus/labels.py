"""Columns that are no talk: dates, ids and numbers that count, told by how their values look."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_FEWEST = 5  # values; fewer may look like anything
_NEARLY_ALL = 0.95  # of the values: a single odd one, such as a header, must not hide the rest

_DATE = r"(?:\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})"
_TIME = r"(?:\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?)"
_MOMENT = re.compile(rf"{_DATE}(?:[T ,]+{_TIME}(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)?|{_TIME}")
_ID = re.compile(
    r"\d{4,}|[A-Za-z]{1,12}[-_:#]?\d{2,}|(?=[a-z]*\d)[0-9a-f]{12,}"
    r"|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
)
_NUMBER = re.compile(r"(\d{1,9})(?:[.):]?\s+(?=\S)|$)")


def find_label(values: Sequence[str]) -> str:
    """Tells whether the first values of a column look like labels instead of talk.

    Args:
        values: the values, in the corpus' order.

    Returns:
        What nearly all of them look like, in the plural, or "".
    """
    texts = [value.strip() for value in values]
    if len(texts) < _FEWEST:
        return ""
    most = _NEARLY_ALL * len(texts)
    if sum(_MOMENT.fullmatch(text) is not None for text in texts) >= most:
        return "dates or times"
    if sum(_ID.fullmatch(text) is not None for text in texts) >= most:
        return "ids"
    found = [_NUMBER.match(text) for text in texts]
    numbers = [int(match[1]) for match in found if match]
    if len(numbers) < most or _count_steps(numbers) < _NEARLY_ALL * (len(numbers) - 1):
        return ""
    alone = sum(match is not None and match.end() == match.end(1) for match in found)
    return "numbers that count" if 2 * alone > len(numbers) else "texts with a counter before them"


def _count_steps(numbers: Sequence[int]) -> int:
    """Counts the steps of a counter: on by one, staying, or beginning again."""
    return sum(before <= after <= before + 1 or after < 2 for before, after in pairwise(numbers))
