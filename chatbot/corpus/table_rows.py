"""Rows of cells with a delimiter between them, as RFC 4180 has them and as people write them."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator

from chatbot.corpus.report import ReadReport

TAB = "\t"
MAX_QUOTED = 1 << 17
"""Characters of a row that has quotes around a cell; `csv` takes no longer cell."""

Lines = Iterator[tuple[int, str]]
_Followed = tuple[int, str, bool]  # the last says whether a line was left out before it


def read_rows(
    lines: Lines, delimiter: str, name: str, report: ReadReport
) -> Iterator[tuple[int, list[str]]]:
    """Reads rows from lines.

    A cell that begins with a quote (after blanks, unless tabs separate the cells) ends at the next
    single quote; it may hold delimiters, doubled quotes and line breaks. If that does not come out
    right, the quote is a plain one in a text with tabs, which people write by hand; in others the
    row is left out.

    Args:
        lines: The lines with their numbers, from `read_lines`.
        delimiter: The character between cells.
        name: The text's name in messages.
        report: Counts the rows that are left out; the same that counts the lines that are.

    Yields:
        The number of the row's first line, from 1, and its cells.
    """
    ahead = _Ahead(lines, report)
    opening = re.compile(f'(?:^|{delimiter}){"" if delimiter == TAB else " *"}"')
    for number, line in ahead:
        if '"' not in line or not opening.search(line):
            yield number, line.split(delimiter)
            continue
        cells = _read_quoted(line, ahead, delimiter)
        if cells is not None:
            yield number, cells
        elif delimiter == TAB:
            yield number, line.split(delimiter)
        else:
            reason = "row whose quotes do not match"
            if len(line) > MAX_QUOTED:
                reason = f"row with quotes of more than {MAX_QUOTED:,} characters"
            report.drop(reason, f"{name}:{number}")


class _Ahead:
    """Lines of which some may be read ahead and given back."""

    def __init__(self, lines: Lines, report: ReadReport) -> None:
        self._lines, self._report = lines, report
        self._back: deque[_Followed] = deque()

    def __iter__(self) -> Lines:
        while True:
            while self._back:
                yield self._back.popleft()[:2]
            entry = next(self._lines, None)
            if entry is None:
                return
            yield entry

    def follow(self) -> _Followed | None:
        """Reads a line; None where the text ends or a line was left out before it."""
        if self._back:
            followed = self._back.popleft()
        else:
            before = self._report.unread_lines
            entry = next(self._lines, None)
            if entry is None:
                return None
            followed = (*entry, self._report.unread_lines > before)
        if followed[2]:
            self._back.appendleft(followed)
            return None
        return followed

    def give_back(self, lines: list[_Followed]) -> None:
        self._back.extendleft(reversed(lines))


def _read_quoted(line: str, lines: _Ahead, delimiter: str) -> list[str] | None:
    """Reads the cells of a row that begins with a line; None, and no line read, if that fails."""
    ahead: list[_Followed] = []
    pieces, size, quotes = [line], len(line), line.count('"')
    while quotes % 2 and size <= MAX_QUOTED:  # a quoted cell is still open
        entry = lines.follow()
        if entry is None:
            break
        ahead.append(entry)
        pieces.append(entry[1])
        size += len(entry[1]) + 1
        quotes += entry[1].count('"')
    cells = None if quotes % 2 or size > MAX_QUOTED else _parse("\n".join(pieces), delimiter)
    # Rows with stray quotes would become one cell; their tabs, which no cell has, tell them.
    if cells is not None and delimiter == TAB and (len(cells) < 2 or (ahead and _has_tab(cells))):
        cells = None
    if cells is None:
        lines.give_back(ahead)
    return cells


def _has_tab(cells: list[str]) -> bool:
    return any(TAB in cell for cell in cells)


def _parse(text: str, delimiter: str) -> list[str] | None:
    try:
        blanks = delimiter != TAB
        rows = list(csv.reader([text], delimiter=delimiter, skipinitialspace=blanks, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None
