"""The lines of a text, read in bounded memory, whatever the file holds."""

from __future__ import annotations

import io
from collections.abc import Generator

from chatbot.corpus.encodings import UNDECODED, name_encoding, open_text
from chatbot.corpus.report import ReadReport
from chatbot.corpus.sources import Source
from chatbot.settings.read_options import AUTO

MAX_LINE = 1 << 20
"""Characters; a longer line is dropped and counted."""
_LINES_HEEDED = 1000  # at a time


def read_lines(
    source: Source, report: ReadReport, encoding: str = AUTO
) -> Generator[tuple[int, str], None, None]:
    r"""Reads the lines of a text that can be used.

    Args:
        source: The text.
        report: Counts the lines that are too long, not in the encoding, or hold NUL bytes.
        encoding: The encoding if neither the person nor a mark says another (see
            `settle_encoding`).

    Yields:
        The line's number, from 1, and the line without a byte order mark and without its end: "\n",
        "\r\n", or "\r" if the file has no "\n"; if it has, any other "\r" is a blank. Blank lines
        are passed over.

    Raises:
        ChatbotError: The file cannot be read, or is of another encoding.
    """
    name = source.name
    with open_text(source, report, encoding) as (text, found):
        for number, line in enumerate(iter(lambda: text.readline(MAX_LINE + 1), ""), start=1):
            if number % _LINES_HEEDED == 0 and report.check is not None:
                report.check()
            if number == 1:
                line = line.removeprefix("\ufeff")
            problem = _find_problem(line, found)
            if problem:
                report.drop(problem, f"{name}:{number}")
                report.unread_lines += 1
                _skip_rest(text, line)
            elif line and not line.isspace():
                line = line[:-1] if line[-1] == "\n" else line
                yield number, line.rstrip("\r").replace("\r", " ") if "\r" in line else line


def _find_problem(line: str, encoding: str) -> str:
    if len(line) > MAX_LINE and line[-1] != "\n":
        return f"line longer than {MAX_LINE:,} characters"
    if "\0" in line:
        return "line with NUL bytes"
    if not line.isascii() and UNDECODED.search(line):
        return f"line that is not {name_encoding(encoding)}"
    return ""


def _skip_rest(text: io.TextIOWrapper, line: str) -> None:
    while line and line[-1] != "\n":
        line = text.readline(MAX_LINE)
