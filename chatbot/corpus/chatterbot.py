"""Reader of ChatterBot's YAML: `conversations` is a list of lists of turns."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import yaml

from chatbot.corpus.encodings import MARKING, settle_encoding
from chatbot.corpus.json_lines import as_text
from chatbot.corpus.reader import Reader, end_in, read_each, split_at_gaps
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source, open_source
from chatbot.errors import ChatbotError

MAX_FILE = 16 << 20
"""Bytes; YAML is loaded as a whole, so a file has a limit."""

_MAX_DEPTH = 20  # lists in lists; the loader calls itself for each, and C has no recursion limit
_FORBIDDEN = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACED = "\ufffd"
_LONE_CR = re.compile("\r(?!\n)")
_CURE = 'give a file of "conversations:" with lists of turns, or another --corpus_format'


class _TextLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader, to which an unquoted 12, yes or 2001-01-01 is text as written."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012


def _read_file(source: Source, report: ReadReport) -> Iterator[Dialogue]:
    text = _read_text(source, report)
    damages = _find_damages(text)
    for line, conversation in _load_conversations(source, _FORBIDDEN.sub(_REPLACED, text)):
        where = f"{source.name}:{line}"
        if not isinstance(conversation, list):
            report.drop("conversation that is not a list", where)
            continue
        turns = [_as_turn(item) for item in conversation]
        if damages and any(_REPLACED in (turn or "") for turn in turns):
            place = damages[min(bisect_left(damages, line), len(damages) - 1)]
            report.drop(
                "conversation with bytes that YAML does not allow", f"{source.name}:{place}"
            )
        else:
            if None in turns:
                report.drop("turn that is not text", where, turns.count(None))
            yield from split_at_gaps(turns, where)


def _read_text(source: Source, report: ReadReport) -> str:
    """Reads a file; its undecodable bytes become lone surrogates."""
    encoding = settle_encoding(source)
    with open_source(source) as file, report.reading(file):
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise ChatbotError(f"{source.name}: YAML of more than {MAX_FILE:,} bytes; divide the file")
    text = content.decode(encoding, MARKING).removeprefix("\ufeff")
    return _LONE_CR.sub(" " if "\n" in text else "\n", text)


def _find_damages(text: str) -> list[int]:
    """Lists the lines with bytes that are not UTF-8 or characters that YAML does not allow."""
    if not _FORBIDDEN.search(text):
        return []
    lines = enumerate(text.split("\n"), start=1)
    return [number for number, line in lines if _FORBIDDEN.search(line)]


def _as_turn(item: object) -> str | None:
    if isinstance(item, list) and len(item) == 1:
        item = item[0]
    if isinstance(item, dict) and len(item) == 1:
        # A turn with a colon and without quotes: `- Note: that is YAML for an object`.
        key, value = next(iter(item.items()))
        return as_text(f"{key}: {value}") if isinstance(value, str) else None
    return as_text(item)


def _load_conversations(source: Source, content: str) -> Iterator[tuple[int, Any]]:
    """Yields each entry of `conversations` with its line."""
    try:
        lines = _check_events(source, content)
        document = yaml.load(content, Loader=_TextLoader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ChatbotError(f"{source.name}:{line}: {error.problem}; {_CURE}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise ChatbotError(
            f"{source.name}:1: cannot be read as YAML ({problem}); {_CURE}"
        ) from error
    conversations = document.get("conversations") if isinstance(document, dict) else None
    if not isinstance(conversations, list):
        raise ChatbotError(f'{source.name}:1: there is no list "conversations" here; {_CURE}')
    return zip(lines, conversations)


def _check_events(source: Source, content: str) -> list[int]:
    """Returns the lines of the conversations, and refuses what no corpus has and can hurt a loader.

    Aliases repeat a list at no cost in bytes; tags ask for objects or for a number of a million
    digits; deep lists overflow the stack.
    """
    lines = []
    depth = 0
    key = ""
    for event in yaml.parse(content, Loader=_TextLoader):
        line = event.start_mark.line + 1
        asked = "an alias" if isinstance(event, yaml.AliasEvent) else getattr(event, "tag", None)
        if asked:
            raise ChatbotError(f"{source.name}:{line}: {asked} is refused: not text; {_CURE}")
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif depth == 2 and key == "conversations":
            lines.append(line)
        elif depth == 1:
            key = event.value if isinstance(event, yaml.ScalarEvent) else key
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        if depth > _MAX_DEPTH:
            raise ChatbotError(f"{source.name}:{line}: lists {depth} deep; {_CURE}")
    return lines


READER = Reader("*.yml or *.yaml file", end_in(".yml", ".yaml"), read_each(_read_file))
