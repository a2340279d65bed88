"""Reader of JSON files: a list of dialogues, as LCCC has it, each in one of the forms of `entries`.

The list is the whole file, or is in an object, as in {"train": [...], "test": [...]}. Dialogues are
read one after the other, whatever the file's size and wherever its lines end.
"""

from __future__ import annotations

from collections.abc import Iterator

from chatbot.corpus.encodings import UNDECODED, name_encoding, open_text
from chatbot.corpus.entries import holds_more, is_entry, read_entry
from chatbot.corpus.json_lines import parse
from chatbot.corpus.json_window import MAX_VALUE, JsonWindow
from chatbot.corpus.reader import Reader, end_in, read_each
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source

_MAX_DEPTH = 8  # objects in objects, each looked through for its end
_STRAY = "text that is neither an object nor a list of turns"


def _read_file(source: Source, report: ReadReport) -> Iterator[Dialogue]:
    name = source.name
    with open_text(source, report) as (text, encoding):
        for line, entry in _find_entries(JsonWindow(text)):
            where = f"{name}:{line}"
            if isinstance(entry, _Problem):
                report.drop(entry, where)
            elif not entry.isascii() and UNDECODED.search(entry):
                report.drop(f"entry that is not {name_encoding(encoding)}", where)
            elif (value := parse(entry)) is None:
                report.drop("entry that is not JSON", where)
            else:
                yield from read_entry(value, where, source.options.names, report)


def _is_remark(value: object) -> bool:
    """Tells whether a value beside a list is an object that describes it, such as its version."""
    return isinstance(value, dict) and not holds_more(value) and not is_entry(value)


class _Problem(str):
    """Why an entry cannot be used."""


def _take_entry(window: JsonWindow, text: str) -> str:
    if text:
        window.step(len(text))
        return text
    window.skip_value()
    return _Problem(f"entry without an end in {MAX_VALUE:,} characters")


def _find_entries(window: JsonWindow) -> Iterator[tuple[int, str]]:
    """Cuts a text into entries: the members of its lists, and objects that are entries themselves.

    Yields:
        The line of an entry and its text, or a problem.
    """
    in_list = is_stray = is_object = False
    objects = entries = 0  # how many are open; how many were found
    while mark := window.next_mark():
        line = window.line
        was_stray, is_stray = is_stray, False
        if mark == "[" and not in_list and not window.has_texts():
            in_list = True
            window.step()
        elif mark in "]}":
            in_list = in_list and mark != "]"
            objects = max(0, objects - (mark == "}"))
            window.step()
        elif mark in "[{":
            text = window.find_value()
            is_outside = mark == "{" and not in_list
            value = parse(text) if is_outside else None
            if is_outside and objects < _MAX_DEPTH and (not text or holds_more(value)):
                is_object = True
                objects += 1
                window.step()
            elif objects and _is_remark(value):
                window.step(len(text))
            else:
                entries += 1
                yield line, _take_entry(window, text)
        else:
            window.skip_scalar()
            is_stray = in_list or not objects
            if is_stray and not was_stray:
                yield line, _Problem(_STRAY)
    if is_object and not entries:
        yield window.line, _Problem("object without a list of dialogues")


READER = Reader("*.json file", end_in(".json"), read_each(_read_file), has_columns=True)
