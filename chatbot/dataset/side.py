"""One side of a part of an encoded corpus, mapped into memory."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chatbot.dataset import files
from chatbot.dataset.pair_hashes import HASH_BYTES, HASH_TYPE
from chatbot.text import PAD, SEP

_ROWS = 1 << 14


class Side:
    """The queries or the replies of a part.

    Attributes:
        lengths: `int32 [pairs]`.
    """

    def __init__(self, directory: Path, name: str, id_type: str) -> None:
        """Maps the files of a side, such as `train.query`."""
        self.lengths = map_file(directory / f"{name}.lengths", files.LENGTH_TYPE)
        self._offsets = map_file(directory / f"{name}.offsets", files.OFFSET_TYPE)
        self._ids = map_file(directory / f"{name}.ids", id_type)

    def select(self, kept: npt.NDArray[np.integer[Any]]) -> Side:
        """Keeps some rows, by their numbers `int [P]`."""
        selected = copy.copy(self)
        selected.lengths, selected._offsets = self.lengths[kept], self._offsets[kept]
        return selected

    def read_rows(self) -> Iterator[list[npt.NDArray[Any]]]:
        """Yields the ids of all pairs, some thousand at a time."""
        for start in range(0, len(self.lengths), _ROWS):
            ends = zip(self._offsets[start : start + _ROWS], self.lengths[start : start + _ROWS])
            yield [self._ids[offset : offset + length] for offset, length in ends]

    def hash_last_turns(self) -> npt.NDArray[np.uint64]:
        """Hashes of each row what stands behind its last separator."""
        found = b"".join(
            hashlib.blake2b(_take_last_turn(row).tobytes(), digest_size=HASH_BYTES).digest()
            for rows in self.read_rows()
            for row in rows
        )
        return np.frombuffer(found, HASH_TYPE)

    def gather(
        self, indices: npt.NDArray[np.integer[Any]]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Gathers rows by their numbers, `int [B]`: padded ids `int32 [B, S]`, and lengths."""
        lengths = self.lengths[indices].astype(np.int32)
        columns = np.arange(lengths.max(initial=0))
        is_real = columns < lengths[:, None]  # [B, S]
        places = (self._offsets[indices][:, None] + columns)[is_real]  # [tokens]
        ids = np.full(is_real.shape, PAD, dtype=np.int32)
        ids[is_real] = self._ids[places]
        return ids, lengths


def _take_last_turn(ids: npt.NDArray[Any]) -> npt.NDArray[Any]:
    places = np.flatnonzero(ids == SEP)
    return ids[places[-1] + 1 :] if len(places) else ids


def map_file(path: Path, kind: str) -> npt.NDArray[Any]:
    """Maps a file of numbers of a kind."""
    # A view as a plain array: indexing the subclass costs microseconds each time.
    return np.memmap(path, dtype=kind, mode="r").view(np.ndarray)
