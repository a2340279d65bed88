"""Rows of ids side by side, for the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from chatbot.text.specials import PAD


def pad_rows(
    rows: Sequence[Sequence[int]],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Pads rows of ids, at least one, on the right.

    Returns:
        The ids `int32 [B, S]`, as wide as the longest row, and the rows' lengths `int32 [B]`.
    """
    lengths = np.array([len(row) for row in rows], np.int32)
    ids = np.full([len(rows), lengths.max()], PAD, np.int32)
    for padded, row in zip(ids, rows):
        padded[: len(row)] = row
    return ids, lengths
