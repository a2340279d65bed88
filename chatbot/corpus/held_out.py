"""Held-out queries, each with the intents whose replies are acceptable."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from chatbot.corpus.detection import as_path
from chatbot.corpus.json_lines import as_text, read_values
from chatbot.corpus.reader import end_in
from chatbot.corpus.report import Pair, ReadReport
from chatbot.corpus.sources import Source, find_sources
from chatbot.errors import ChatbotError
from chatbot.text import has_ideograph

_FORM = 'a line is {"turns": ["...", ...], "intents": ["...", ...]}'


class HeldOut(NamedTuple):
    """A query that was written apart from the corpus.

    Attributes:
        turns: The turns of its dialogue, the one to reply to last.
        replies: Every acceptable reply, perhaps none.
        group: The name of its file, without the ending.
    """

    turns: list[str]
    replies: frozenset[str]
    group: str


def read_held_out(path: str | os.PathLike[str], pairs: Iterable[Pair]) -> list[HeldOut]:
    """Reads the `*.jsonl` files of a directory, or one file.

    Each line is an object with `turns`, with `intents`, and perhaps with `replies`, further texts
    that are acceptable. A reply is acceptable if the corpus has it for one of the intents, in
    Chinese where the turns are Chinese and in another language where they are not.

    Args:
        path: The file or directory.
        pairs: The corpus, with its intents.

    Raises:
        ChatbotError: Nothing is there, a line has another form, or the corpus lacks an intent.
    """
    known: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        known[pair.intent].add(pair.reply)
    known.pop("", None)
    if not known:
        raise ChatbotError("--held_out: no pair of the corpus has an intent; check --corpus")
    sources = find_sources(as_path(path), end_in(".jsonl"))
    items = [item for source in sources for item in _read_file(source, known)]
    if not items:
        raise ChatbotError(f"{path}: no held-out query is here; {_FORM} of a *.jsonl file")
    return items


def _read_file(source: Source, known: dict[str, set[str]]) -> Iterator[HeldOut]:
    report = ReadReport()
    group = source.file_name.rpartition(".")[0] or source.file_name
    for number, value in read_values(source, report, (dict,)):
        where = f"{source.name}:{number}"
        turns = _read_texts(value, "turns", where)
        intents = _read_texts(value, "intents", where)
        missing = [name for name in intents if name not in known]
        if missing:
            raise ChatbotError(f"{where}: the corpus has no intent {missing[0]!r}; check --corpus")
        if not turns:
            raise ChatbotError(f"{where}: a query needs a turn; {_FORM}")
        found = {reply for name in intents for reply in known[name]}
        found = {reply for reply in found if not is_foreign(turns, reply)}
        yield HeldOut(turns, frozenset(found.union(_read_texts(value, "replies", where))), group)
    if report.dropped:
        reason = next(iter(report.dropped))
        raise ChatbotError(f"{report.first[reason]}: {reason}; {_FORM}")


def is_foreign(turns: Sequence[str], reply: str) -> bool:
    """Tells whether a reply is in Chinese and the turns before it are not, or the other way round.

    Turns without any letter, such as "666", may get either.
    """
    if any(map(has_ideograph, turns)):
        return not has_ideograph(reply)
    return has_ideograph(reply) and any(map(str.isalpha, "".join(turns)))


def _read_texts(value: dict[str, Any], key: str, where: str) -> list[str]:
    found = value.get(key, [])
    texts = [as_text(item) for item in found] if isinstance(found, list) else [None]
    if None in texts or (key == "turns" and key not in value):
        raise ChatbotError(f"{where}: {key!r} is no list of texts; {_FORM}")
    return [text for text in texts if text is not None]
