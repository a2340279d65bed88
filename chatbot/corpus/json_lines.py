"""JSON values, and one of them a line, for the formats that are made so."""

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


def read_objects(source: Source, report: ReadReport) -> Iterator[tuple[int, dict[str, Any]]]:
    """Reads the objects of a text.

    Args:
        source: the text.
        report: counts the lines that are no objects.

    Yields:
        The line's number, from 1, and its object. All numbers are as written.
    """
    name = source.name
    for number, line in read_lines(source, report):
        value = parse_object(line)
        if value is None:
            report.drop("line that is not a JSON object", f"{name}:{number}")
            report.unread_lines += 1
        else:
            yield number, value


def read_values(source: Source, report: ReadReport) -> Iterator[tuple[int, Any]]:
    """Reads the objects and lists of a text.

    Args:
        source: the text.
        report: counts the lines that are neither.

    Yields:
        The line's number, from 1, and its value.
    """
    name = source.name
    for number, line in read_lines(source, report):
        value = parse(line)
        if isinstance(value, (dict, list)):
            yield number, value
        else:
            report.drop("line that is not a JSON object or list", f"{name}:{number}")


def parse_object(line: str) -> dict[str, Any] | None:
    """Parses a JSON object; None where the line is not one."""
    value = parse(line)
    return value if isinstance(value, dict) else None


def parse(text: str) -> Any:
    """Parses a JSON value; None where the text is not one."""
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def as_text(value: object) -> str | None:
    r"""Gives a string that can be written as UTF-8, or None where the value is no string.

    An escape such as "\ud800" makes half a character, which nothing can write; it becomes "?".
    """
    if not isinstance(value, str) or isinstance(value, Number):
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
