"""Columns that are no talk: dates, ids and counters, told by how their values look."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

_FEWEST = 5  # values; fewer may look like anything
_NEARLY_ALL = 0.95  # of the values; or all but one, such as a header

_DATE = r"(?:\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_DAY = rf"(?:[A-Z][a-z]+,? )?(?:\d{{1,2}} {_MONTH}|{_MONTH} \d{{1,2}})(?:,? \d{{4}})?"
_TIME = r"(?:(?:[上下]午 ?)?\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?)"
_MOMENT = re.compile(
    rf"(?:{_DATE}|{_DAY})(?:[T ,]+{_TIME}(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?(?: \d{{4}})?)?|{_TIME}"
)
_ID = re.compile(
    r"\d{4,}|[A-Za-z]{1,12}[-_:#]?\d{2,}|(?=[a-z]*\d)[0-9a-f]{12,}"
    r"|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
)
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?")
_COUNTER = re.compile(r"(\d{1,9})[.):]?\s+(?=\S)")
_WEIGHT = re.compile(r"[01]\.\d+\s+(?=\S)")
_LOOKS = (
    ("dates or times", _MOMENT.fullmatch),
    ("ids", _ID.fullmatch),
    ("texts with a weight before them", _WEIGHT.match),
)


def find_kind(values: Sequence[str]) -> str:
    """Returns what nearly all first values of a column look like, in the plural, or "" for talk."""
    texts = [value.strip() for value in values]
    if len(texts) < _FEWEST:
        return ""
    most = min(_NEARLY_ALL * len(texts), len(texts) - 1)
    for look, match in _LOOKS:
        if sum(match(text) is not None for text in texts) >= most:
            return look
    numbers = [float(text) for text in texts if _NUMBER.fullmatch(text)]
    if len(numbers) >= most and _goes_up(numbers, math.inf):
        return "numbers that count"
    numbers = [float(found[1]) for found in map(_COUNTER.match, texts) if found]
    if len(numbers) >= most and _goes_up(numbers, 1):
        return "texts with a counter before them"
    return ""


def _goes_up(numbers: Sequence[float], most: float) -> bool:
    """Tells whether nearly all steps are a counter's: up by `most` at most, or back to 0 or 1."""
    steps = [0 <= after - before <= most or after < 2 for before, after in pairwise(numbers)]
    return sum(steps) >= _NEARLY_ALL * len(steps)
