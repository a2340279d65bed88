"""Reader of tab-separated pairs: query, tab, reply; further columns are ignored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatbot.corpus.lines import read_lines
from chatbot.corpus.report import Dialogue, ReadReport
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
        name = source.name
        for number, line in read_lines(source, report):
            columns = line.split("\t", 2)
            if len(columns) < 2:
                report.drop("line without a tab", f"{name}:{number}")
            else:
                yield Dialogue(columns[:2], f"{name}:{number}")
