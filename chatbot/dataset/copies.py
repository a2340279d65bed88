"""Ids of the extended vocabulary for a corpus whose queries' unknown words can be copied.

`chatbot.text.extended` says what the ids mean. An unknown word of a reply has one if its own query
has the word among the tokens that are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chatbot.text import SLOTS, SPECIAL_TOKENS, UNK

Ids = npt.NDArray[Any]
_PAIRS = 1 << 14  # looked at together


class SideFiles(NamedTuple):
    """The files of one side of a part.

    Attributes:
        numbers: `int32`, the words' numbers in the word table.
        ids: Their final ids, which `write_copies` changes.
        lengths: `int32 [pairs]`, how many each pair has.
    """

    numbers: Path
    ids: Path
    lengths: Path


def write_copies(query: SideFiles, reply: SideFiles, final_ids: Ids, size: int) -> None:
    """Puts ids of copied words in the place of unknown tokens.

    Args:
        query: The queries.
        reply: Their replies.
        final_ids: `[numbers]`, each word's id in the vocabulary, of the type of the final ids.
        size: Words in the vocabulary, V.
    """
    sides = [_Side(files, final_ids.dtype) for files in (query, reply)]
    is_unknown = final_ids == UNK
    is_unknown[: len(SPECIAL_TOKENS)] = False
    for pair in _find_pairs(sides[0], is_unknown):
        numbers = [side.numbers[side.span(pair)] for side in sides]
        unknown = dict.fromkeys(numbers[0][is_unknown[numbers[0]]].tolist())
        slots = {number: size + place for place, number in enumerate([*unknown][:SLOTS])}
        for side, own in zip(sides, numbers):
            ids = [slots.get(n, id_) for n, id_ in zip(own.tolist(), final_ids[own].tolist())]
            side.ids[side.span(pair)] = ids
    for side in sides:
        side.ids.flush()


def _find_pairs(queries: _Side, is_unknown: Ids) -> Iterator[int]:
    """Yields the numbers of the pairs whose query has an unknown word."""
    ends = queries.ends
    for first in range(0, len(ends), _PAIRS):
        last = min(first + _PAIRS, len(ends)) - 1
        start = queries.span(first).start
        places = start + np.flatnonzero(is_unknown[queries.numbers[start : ends[last]]])
        yield from np.unique(np.searchsorted(ends, places, side="right")).tolist()


class _Side:
    def __init__(self, files: SideFiles, id_type: Any) -> None:
        self.numbers = np.memmap(files.numbers, "<i4", "r").view(np.ndarray)
        self.ids = np.memmap(files.ids, id_type, "r+")
        self._lengths = np.fromfile(files.lengths, "<i4")
        self.ends = np.cumsum(self._lengths, dtype=np.int64)

    def span(self, pair: int) -> slice:
        """Returns where a pair's tokens are."""
        return slice(self.ends[pair] - self._lengths[pair], self.ends[pair])
