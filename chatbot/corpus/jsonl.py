"""Reader of JSON lines, each a pair or a dialogue in one of the forms of `entries`."""

from __future__ import annotations

from collections.abc import Iterator

from chatbot.corpus.entries import read_entry
from chatbot.corpus.json_lines import read_values
from chatbot.corpus.reader import Reader, end_in, read_each
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source


def _read_file(source: Source, report: ReadReport) -> Iterator[Dialogue]:
    name = source.name
    for number, value in read_values(source, report, (dict, list)):
        yield from read_entry(value, f"{name}:{number}", source.options.names, report)


READER = Reader(
    "*.jsonl file", end_in(".jsonl", ".ndjson"), read_each(_read_file), has_columns=True
)
