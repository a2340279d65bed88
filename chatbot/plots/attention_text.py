"""Attention weights in a terminal: a table of shaded blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chatbot.plots.labels import check_weights, write_label
from chatbot.system.terminal import count_columns, pad_columns

SHADES = " ░▒▓█"
ASCII_SHADES = " .:*#"
"""For terminals that have no blocks."""
THRESHOLDS = (0.05, 0.2, 0.4, 0.7)
"""From which weight on each shade but the first stands: weights are mostly small."""
_LABEL = 16  # columns
_LEAST = 20  # columns of a terminal


def shade_attention(
    query_tokens: Sequence[str],
    reply_tokens: Sequence[str],
    weights: NDArray[np.float32],
    width: int,
    shades: str = SHADES,
) -> list[str]:
    """Writes attention weights as shaded blocks, a row for each token of the reply.

    Where the query's tokens do not fit side by side, the columns are numbered and a legend follows.
    Where the numbers do not fit either, the table is cut into parts, one below the other.

    Args:
        query_tokens: S tokens, the columns.
        reply_tokens: T tokens, the rows.
        weights: `float32 [T, S]`, from 0 to 1.
        width: Columns of the terminal; below 20 counts as 20.
        shades: Five characters, the lightest first.

    Returns:
        The lines, without trailing blanks, safe to write on a terminal.

    Raises:
        ValueError: Tokens and weights do not fit.
    """
    values = check_weights(query_tokens, reply_tokens, weights)
    levels = np.searchsorted(np.array(THRESHOLDS, np.float32), values, "right")
    levels[np.isnan(values)] = 0
    width = max(width, _LEAST)
    # A token of marks alone takes no column, its weight does.
    columns = [pad_columns(write_label(token, _LABEL), 1) for token in query_tokens]
    rows = [write_label(token, min(_LABEL, width // 3)) for token in reply_tokens]
    side = max(map(count_columns, rows))
    heads = columns
    if side + sum(1 + count_columns(head) for head in heads) > width:
        size = len(str(len(columns)))
        heads = [str(number).rjust(size) for number in range(1, len(columns) + 1)]
    lines = []
    for part in _cut(heads, width - side):
        lines += _write_part(heads[part], rows, levels[:, part], shades, side)
    if heads is not columns:
        lines += _wrap([f"{head.strip()} {text}" for head, text in zip(heads, columns)], width)
    return [line.rstrip() for line in [*lines, *_wrap(_explain(shades), width)]]


def _cut(heads: list[str], room: int) -> list[slice]:
    """Cuts columns into parts that fit, each of at least one column."""
    parts, start, used = [], 0, 0
    for place, head in enumerate(heads):
        used += 1 + count_columns(head)
        if used > room and place > start:
            parts.append(slice(start, place))
            start, used = place, 1 + count_columns(head)
    return [*parts, slice(start, len(heads))]


def _write_part(
    heads: list[str], rows: list[str], levels: NDArray[np.int64], shades: str, side: int
) -> list[str]:
    lines = [" ".join([" " * side, *heads])]
    for label, row in zip(rows, levels):
        blocks = [shades[level] * count_columns(head) for level, head in zip(row, heads)]
        lines.append(" ".join([pad_columns(label, side), *blocks]))
    return lines


def _explain(shades: str) -> list[str]:
    """Says what the shades stand for."""
    return ["weights:", *(f"{sign} from {least}" for sign, least in zip(shades[1:], THRESHOLDS))]


def _wrap(items: list[str], width: int) -> list[str]:
    lines = [items[0]]
    for item in items[1:]:
        if count_columns(lines[-1]) + 2 + count_columns(item) <= width:
            lines[-1] += "  " + item
        else:
            lines.append(item)
    return lines
