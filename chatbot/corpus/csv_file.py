"""Reader of CSV files, as RFC 4180 has them; `columns` says what the columns may be.

Between cells are commas, or semicolons, as Excel writes where numbers have commas, or tabs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import islice

from chatbot.corpus.columns import choose_columns
from chatbot.corpus.lines import read_lines
from chatbot.corpus.reader import Reader, end_in, read_each
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source
from chatbot.corpus.table_rows import read_rows

_DELIMITERS = ("\t", ";", ",")  # the more often one occurs in talk, the later
_LOOKED_AT = 100  # lines


def _read_file(source: Source, report: ReadReport) -> Iterator[Dialogue]:
    delimiter, width = _find_layout(source)
    with closing(read_lines(source, report)) as lines:
        rows = read_rows(lines, delimiter, source.name, report)
        even = _drop_wider(rows, width, source.name, report)
        yield from choose_columns(source, even, "row of a single cell", report)


def _find_layout(source: Source) -> tuple[str, int]:
    """Returns the delimiter of a file and how many cells a row has.

    It is the one that gives the most of the first rows the same number of cells, two or more.
    """
    head = list(islice(read_lines(source, ReadReport()), _LOOKED_AT))

    def find_size(delimiter: str) -> tuple[int, int]:
        rows = read_rows(iter(head), delimiter, source.name, ReadReport())
        sizes = Counter(len(cells) for _, cells in rows if len(cells) > 1)
        return next(iter(sizes.most_common(1)), (2, 0))

    found = {delimiter: find_size(delimiter) for delimiter in _DELIMITERS}
    delimiter = max(found, key=lambda delimiter: found[delimiter][1])
    return delimiter, found[delimiter][0]


def _drop_wider(
    rows: Iterator[tuple[int, list[str]]], width: int, name: str, report: ReadReport
) -> Iterator[tuple[int, list[str]]]:
    """Leaves out rows with more cells than the others: a comma of the text has cut one in two."""
    for number, cells in rows:
        if any(map(str.strip, cells[width:])):
            report.drop(f"row of more than {width} cells", f"{name}:{number}")
        else:
            yield number, cells


READER = Reader("*.csv file", end_in(".csv"), read_each(_read_file), has_columns=True)
