"""Reader of tab-separated pairs: query, tab, reply; `columns` says what else the columns may be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from chatbot.corpus.columns import choose_columns
from chatbot.corpus.lines import read_lines
from chatbot.corpus.reader import Reader, end_in, read_each
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source
from chatbot.corpus.table_rows import read_rows


def _read_file(source: Source, report: ReadReport) -> Iterator[Dialogue]:
    with closing(read_lines(source, report)) as lines:
        rows = read_rows(lines, "\t", source.name, report)
        yield from choose_columns(source, rows, "line without a tab", report)


READER = Reader("*.tsv file", end_in(".tsv"), read_each(_read_file), has_columns=True)
