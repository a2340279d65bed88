"""The lines of a text, read in bounded memory whatever the file holds."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from chatbot.corpus.report import ReadReport
from chatbot.corpus.sources import Source, open_source
from chatbot.errors import ChatbotError

MAX_LINE = 1 << 20
"""Characters; a longer line is dropped and counted."""

_UNDECODED = re.compile("[\udc80-\udcff]")  # what the error handler makes of bytes outside UTF-8
_UTF_16_STARTS = ("\udcff\udcfe", "\udcfe\udcff", "\u00ff\u00fe", "\u00fe\u00ff")


def read_lines(
    source: Source, report: ReadReport, encoding: str = "utf-8-sig"
) -> Iterator[tuple[int, str]]:
    r"""Reads the lines of a text that can be used.

    Args:
        source: the text.
        report: counts the lines that are too long, not in the encoding, or hold NUL bytes.
        encoding: the text's encoding; the default leaves a byte order mark out.

    Yields:
        The line's number, from 1, and the line without its end: "\n", "\r\n", or "\r" where the
        file has no "\n"; where it has, any other "\r" is a blank. Blank lines are passed over.

    Raises:
        ChatbotError: the file cannot be read, or is UTF-16.
    """
    name = source.name
    with open_source(source) as binary, report.reading(binary):
        pieces = iter(lambda: binary.read(1 << 16), b"")
        newline = "\n" if any(b"\n" in piece for piece in pieces) else None
        binary.seek(0)
        text = io.TextIOWrapper(binary, encoding, errors="surrogateescape", newline=newline)
        for number, line in enumerate(iter(lambda: text.readline(MAX_LINE + 1), ""), start=1):
            if number == 1 and line.startswith(_UTF_16_STARTS):
                raise ChatbotError(f"{name}:1: this is UTF-16 text; save it as UTF-8")
            problem = _find_problem(line)
            if problem:
                report.drop(problem, f"{name}:{number}")
                report.unread_lines += 1
                _skip_rest(text, line)
            elif not line.isspace():
                line = line[:-1] if line[-1] == "\n" else line
                yield number, line.rstrip("\r").replace("\r", " ") if "\r" in line else line


def _find_problem(line: str) -> str:
    if len(line) > MAX_LINE and line[-1] != "\n":
        return f"line longer than {MAX_LINE:,} characters"
    if "\0" in line:
        return "line with NUL bytes"
    if not line.isascii() and _UNDECODED.search(line):
        return "line that is not UTF-8"
    return ""


def _skip_rest(text: io.TextIOWrapper, line: str) -> None:
    while line and line[-1] != "\n":
        line = text.readline(MAX_LINE)
