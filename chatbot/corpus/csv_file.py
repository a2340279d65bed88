"""Reader of CSV files, as RFC 4180 has them; `columns` says what the columns may be.

Between the cells stand commas, or semicolons, as Excel writes where numbers have commas, or tabs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from chatbot.corpus.columns import choose_columns
from chatbot.corpus.lines import read_lines
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.rows import read_rows
from chatbot.corpus.sources import Source

NEEDS = "*.csv file"

_DELIMITERS = (",", ";", "\t")
_LOOKED_AT = 100  # lines


def reads(file_name: str) -> bool:
    """Says whether a file of this name is one of the format's."""
    return file_name.lower().endswith(".csv")


def read(sources: Sequence[Source], report: ReadReport) -> Iterator[Dialogue]:
    """Reads the pairs, each as a dialogue of two turns.

    Args:
        sources: the files.
        report: counts the rows that are left out.

    Yields:
        The dialogues.
    """
    for source in sources:
        delimiter = find_delimiter(source)
        rows = read_rows(read_lines(source, report), delimiter, source.name, report)
        yield from choose_columns(source, rows, "row of a single cell", report)


def find_delimiter(source: Source) -> str:
    """Tells what stands between the cells of a file.

    Args:
        source: the file.

    Returns:
        That of the three delimiters which gives the most of the first rows the same number of
        cells, two or more.
    """
    head = list(islice(read_lines(source, ReadReport()), _LOOKED_AT))

    def count_alike(delimiter: str) -> int:
        rows = read_rows(iter(head), delimiter, source.name, ReadReport())
        sizes = Counter(len(cells) for _, cells in rows if len(cells) > 1)
        return max(sizes.values(), default=0)

    return max(_DELIMITERS, key=count_alike)
