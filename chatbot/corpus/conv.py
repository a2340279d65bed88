"""Reader of conv files: a line `E` starts a dialogue, a line `M text` is a turn of it."""

from __future__ import annotations

from collections.abc import Iterator

from chatbot.corpus.lines import read_lines
from chatbot.corpus.reader import Reader, end_in, read_each
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source

# A longer dialogue is given in parts, so that a file without `E` fits in memory; each begins with
# the last turn of the one before.
_MAX_TURNS = 1000


def _read_file(source: Source, report: ReadReport) -> Iterator[Dialogue]:
    """Reads the dialogues; one ends, too, where a line is left out."""
    name = source.name
    dialogue = Dialogue([], "")
    unread = report.unread_lines
    for number, line in read_lines(source, report):
        where = f"{name}:{number}"
        kind, *texts = line.split(maxsplit=1)
        is_turn = kind == "M"
        if not is_turn and (kind != "E" or texts):
            report.drop("line that is neither E nor M with a text", where)
        if not is_turn or report.unread_lines > unread:
            unread = report.unread_lines
            if dialogue.turns:
                yield dialogue
            dialogue = Dialogue([], "")
        if is_turn:
            if len(dialogue.turns) == _MAX_TURNS:
                yield dialogue
                dialogue = Dialogue(dialogue.turns[-1:], where)
            elif not dialogue.turns:
                dialogue = Dialogue([], where)
            dialogue.turns.append(texts[0] if texts else "")
    if dialogue.turns:
        yield dialogue


READER = Reader("*.conv file", end_in(".conv"), read_each(_read_file))
