"""A long run of items, a window at a time, with a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
WINDOW = 512
"""Pairs that are measured together, sorted by length among themselves."""


def iterate_windows(items: Sequence[Item], name: str) -> Iterator[Sequence[Item]]:
    """Yields at most `WINDOW` items at a time; a terminal shows progress.

    Args:
        items: Any items.
        name: What is done with them, for the progress bar.
    """
    with tqdm(total=len(items), desc=name, unit="pair", disable=not sys.stderr.isatty()) as bar:
        for start in range(0, len(items), WINDOW):
            window = items[start : start + WINDOW]
            yield window
            bar.update(len(window))
