"""Reader of JSON lines: {"query": "...", "reply": "..."}; further keys are ignored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatbot.corpus.json_lines import as_text, read_objects
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source

NEEDS = "*.jsonl file"


def reads(file_name: str) -> bool:
    """Says whether a file of this name is one of the format's."""
    return file_name.lower().endswith(".jsonl")


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
        for number, entry in read_objects(source, report):
            query, reply = as_text(entry.get("query")), as_text(entry.get("reply"))
            if query is None or reply is None:
                report.drop('object without the texts "query" and "reply"', f"{name}:{number}")
            else:
                yield Dialogue([query, reply], f"{name}:{number}")
