"""Reader of tab-separated pairs: query, tab, reply; `columns` says what else the columns may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from chatbot.corpus.columns import choose_columns
from chatbot.corpus.lines import read_lines
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.rows import read_rows
from chatbot.corpus.sources import Source

NEEDS = "*.tsv file"


def reads(file_name: str) -> bool:
    """Says whether a file of this name is one of the format's."""
    return file_name.lower().endswith(".tsv")


def read(sources: Sequence[Source], report: ReadReport) -> Iterator[Dialogue]:
    """Reads the pairs, each as a dialogue of two turns.

    Args:
        sources: the files.
        report: counts the lines that are left out.

    Yields:
        The dialogues.
    """
    for source in sources:
        with closing(read_lines(source, report)) as lines:
            rows = read_rows(lines, "\t", source.name, report)
            yield from choose_columns(source, rows, "line without a tab", report)
