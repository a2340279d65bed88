"""JSON values, and texts with one of them a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from chatbot.corpus.lines import read_lines
from chatbot.corpus.report import ReadReport
from chatbot.corpus.sources import Source


class Number(str):
    """A number as it was written: to convert one of a million digits would take minutes."""

    __slots__ = ()


DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number)


def read_values(
    source: Source, report: ReadReport, kinds: tuple[type, ...]
) -> Iterator[tuple[int, Any]]:
    """Reads the values of a text, one a line.

    Args:
        source: The text.
        report: Counts the lines that are no such values.
        kinds: `dict` for objects, and `list` if there may be lists.

    Yields:
        The line's number, from 1, and its value. All numbers are as written.
    """
    name = source.name
    wanted = "object or list" if list in kinds else "object"
    for number, line in read_lines(source, report):
        value = parse(line)
        if isinstance(value, kinds):
            yield number, value
        else:
            report.drop(f"line that is not a JSON {wanted}", f"{name}:{number}")
            report.unread_lines += 1


def parse(text: str) -> Any:
    """Parses a JSON value; None where the text is not one."""
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def as_text(value: object) -> str | None:
    r"""Returns a string that can be written as UTF-8, or None where the value is no string.

    An escape such as "\ud800" makes half a character, which nothing can write; it becomes "?".
    """
    if not isinstance(value, str) or isinstance(value, Number):
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
