"""The lead: the first words of a text as its summary, the usual baseline of summarising."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from chatbot.corpus import Pair
from chatbot.evaluation.replies import Replies, take_replies
from chatbot.text.joining import WIDE

_CHARACTER = rf"(?={WIDE.pattern})\w"  # an ideograph or a kana
# A character with the signs around it, or whatever else has no blank within.
_WORD = re.compile(rf"[^\w\s]*{_CHARACTER}[^\w\s]*|(?:(?!{_CHARACTER})\S)+")


class Lead(NamedTuple):
    """The first words of each query's last turn.

    Attributes:
        words: How many; characters, in Chinese and Japanese.
        replies: The words, copied as they are.
    """

    words: int
    replies: Replies


def take_lead(pairs: Sequence[Pair]) -> Lead:
    """Takes as many words as a reference has on average, rounded (after See et al. 2017).

    Args:
        pairs: At least one.
    """
    counts = [len(_WORD.findall(reply)) for pair in pairs for reply in pair.replies]
    words = round(sum(counts) / len(counts))
    return Lead(words, take_replies([cut_words(pair.query, words) for pair in pairs]))


def cut_words(text: str, count: int) -> str:
    """Cuts a text behind its first words; one that has fewer stays whole."""
    ends = [word.end() for word in islice(_WORD.finditer(text), count)]
    return text[: ends[-1]] if ends else ""
