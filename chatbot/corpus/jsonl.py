"""Reader of JSON lines, each a pair or a dialogue in one of the forms of `entries`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatbot.corpus.entries import read_entry
from chatbot.corpus.json_lines import read_values
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source

NEEDS = "*.jsonl file"


def reads(file_name: str) -> bool:
    """Says whether a file of this name is one of the format's."""
    return file_name.lower().endswith((".jsonl", ".ndjson"))


def read(sources: Sequence[Source], report: ReadReport) -> Iterator[Dialogue]:
    """Reads the dialogues; a pair is one of two turns.

    Args:
        sources: the files.
        report: counts the lines that are left out.

    Yields:
        The dialogues.
    """
    for source in sources:
        name = source.name
        for number, value in read_values(source, report):
            yield from read_entry(value, f"{name}:{number}", source.options.names, report)
