"""Corpora: files of many formats in, (query, reply) pairs out.

One small reader a format, each streaming dialogues; consecutive turns make the pairs. What cannot
be used is left out, counted and named; what cannot be read at all is refused in one line.
"""

from __future__ import annotations

from chatbot.corpus.detection import FORMATS, detect_format
from chatbot.corpus.pairs import fingerprint, read_dialogues, read_pairs
from chatbot.corpus.report import Pair, ReadReport

__all__ = [
    "FORMATS",
    "Pair",
    "ReadReport",
    "detect_format",
    "fingerprint",
    "read_dialogues",
    "read_pairs",
]
