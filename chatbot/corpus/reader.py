"""What a format's module offers: which files it reads, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source

Read = Callable[[Sequence[Source], ReadReport], Iterator[Dialogue]]


class Reader(NamedTuple):
    """The reader of a format.

    Attributes:
        needs: The files it needs, in words.
        reads: Whether a file of this name is one of the format's.
        read: Yields the dialogues of some files, a pair as one of two turns, and counts in the
            report what is left out. Raises `ChatbotError` for what cannot be read at all.
        has_columns: Whether its files have columns or keys to choose from.
    """

    needs: str
    reads: Callable[[str], bool]
    read: Read
    has_columns: bool = False


def end_in(*suffixes: str) -> Callable[[str], bool]:
    """Makes a test whether a file's name has one of some endings, in lower case."""
    return lambda file_name: file_name.lower().endswith(suffixes)


def read_each(read_file: Callable[[Source, ReadReport], Iterator[Dialogue]]) -> Read:
    """Makes a reader of files from one of a single file."""
    return lambda sources, report: (
        dialogue for source in sources for dialogue in read_file(source, report)
    )


def split_at_gaps(turns: Iterable[str | None], where: str) -> Iterator[Dialogue]:
    """Yields the dialogues between turns that are missing, which answer nothing.

    Args:
        turns: The turns, None for a missing one.
        where: `file:line` of the first.
    """
    run: list[str] = []
    for turn in turns:
        if turn is not None:
            run.append(turn)
            continue
        if len(run) > 1:
            yield Dialogue(run, where)
        run = []
    if run:
        yield Dialogue(run, where)
