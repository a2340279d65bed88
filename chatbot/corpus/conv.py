"""Reader of conv files: a line `E` starts a dialogue, a line `M text` is a turn of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatbot.corpus.lines import read_lines
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source

NEEDS = "*.conv file"

_MAX_TURNS = 1000  # a longer dialogue is given in parts, so that a file without `E` fits in memory


def reads(file_name: str) -> bool:
    """Says whether a file of this name is one of the format's."""
    return file_name.lower().endswith(".conv")


def read(sources: Sequence[Source], report: ReadReport) -> Iterator[Dialogue]:
    """Reads the dialogues.

    Args:
        sources: the files.
        report: counts the lines that are left out.

    Yields:
        The dialogues. After 1000 turns a new one begins with the last turn of the one before.
    """
    for source in sources:
        name = source.name
        dialogue = Dialogue([], "")
        for number, line in read_lines(source, report):
            kind, *texts = line.split(maxsplit=1)
            if kind == "M":
                if len(dialogue.turns) == _MAX_TURNS:
                    yield dialogue
                    dialogue = Dialogue(dialogue.turns[-1:], f"{name}:{number}")
                elif not dialogue.turns:
                    dialogue = Dialogue([], f"{name}:{number}")
                dialogue.turns.append(texts[0] if texts else "")
            elif kind == "E" and not texts:
                if dialogue.turns:
                    yield dialogue
                dialogue = Dialogue([], "")
            else:
                report.drop("line that is neither E nor M with a text", f"{name}:{number}")
        if dialogue.turns:
            yield dialogue
