"""Dialogues and pairs, and the account of what a reader could not use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, NamedTuple

from chatbot.corpus.column_kinds import find_kind

_LOOKED_AT = 1000  # pairs
_LOOKED_AT_LENGTH = 200  # characters of each of their texts


class Pair(NamedTuple):
    """Two consecutive turns of a dialogue.

    Attributes:
        query: The first.
        reply: The second.
        dialogue: The dialogue's running number in its corpus, from 0.
        context: The turns before the query, oldest first, as many as were asked for and are there.
        intent: What the query means, where the corpus says so, else "".
        others: Further replies to the query, where an evaluation has gathered them.
    """

    query: str
    reply: str
    dialogue: int
    context: tuple[str, ...] = ()
    intent: str = ""
    others: tuple[str, ...] = ()

    @property
    def replies(self) -> tuple[str, ...]:
        """The reply and the further ones."""
        return (self.reply, *self.others)

    @property
    def turns(self) -> tuple[str, ...]:
        """The context and the query: the input of a model that reads several turns."""
        return (*self.context, self.query)


class Dialogue(NamedTuple):
    """The turns of one dialogue.

    Attributes:
        turns: In order.
        where: `file:line` of the first.
        learned: Which turns are learned as replies, or None for all but the first.
        intents: What each turn replies to, "" where the corpus does not say; may be empty.
    """

    turns: list[str]
    where: str
    learned: Sequence[bool] | None = None
    intents: Sequence[str] = ()


@dataclass
class ReadReport:
    """The account of one reading of a corpus.

    Attributes:
        dialogues: Dialogues of two turns or more.
        pairs: (query, reply) pairs; 0 where only dialogues were asked for.
        dropped: How much was left out, by reason.
        first: `file:line` of the first thing left out, by reason.
        bytes_expected: Bytes of the texts that will be read, as `Source.size` counts them.
        bytes_read: Bytes of those of them that are read to their end.
        unread_lines: Lines of which nothing is known except that they were there. A reader of
            dialogues over several lines compares it, for what follows such a line answers nothing.
        looked_at: The first 1000 pairs, each text cut to 200 characters.
        cure: What to do where query or reply turn out to be something else.
        check: Called now and then while lines are read; what it raises ends the reading.
    """

    dialogues: int = 0
    pairs: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    bytes_expected: int = 0
    bytes_read: int = 0
    unread_lines: int = 0
    looked_at: list[tuple[str, str]] = field(default_factory=list, repr=False, compare=False)
    cure: str = field(default="check the corpus", repr=False, compare=False)
    check: Callable[[], object] | None = field(default=None, repr=False, compare=False)
    _open: IO[bytes] | None = field(default=None, repr=False, compare=False)

    def drop(self, reason: str, where: str, count: int = 1) -> None:
        """Counts something that is left out.

        Args:
            reason: What is wrong with it, as a noun in the singular.
            where: `file:line` of it.
            count: How many of them.
        """
        self.dropped[reason] = self.dropped.get(reason, 0) + count
        self.first.setdefault(reason, where)

    def add_pair(self, query: str, reply: str) -> None:
        """Counts a pair, and keeps it if it is one of the first."""
        self.pairs += 1
        if len(self.looked_at) < _LOOKED_AT:
            self.looked_at.append((query[:_LOOKED_AT_LENGTH], reply[:_LOOKED_AT_LENGTH]))

    def warnings(self) -> list[str]:
        """Returns a line for each side of the first pairs that is no talk."""
        sides = zip(("queries", "replies"), zip(*self.looked_at, strict=True), strict=False)
        kinds = {side: find_kind(values) for side, values in sides}
        return [
            f"nearly all {side} look like {kind}, which would be learned as talk; {self.cure}"
            for side, kind in kinds.items()
            if kind
        ]

    @contextlib.contextmanager
    def reading(self, file: IO[bytes]) -> Iterator[None]:
        """Counts what is read of a text, from its beginning, while it is open."""
        self._open = file
        try:
            yield
        finally:
            self._open = None
            self.bytes_read += file.tell()

    def share_read(self) -> float:
        """Returns which share of the texts' bytes is read, from 0 to 1."""
        if not self.bytes_expected:
            return 0.0
        # Asked of the file now and then, which costs nothing; counting lines would.
        here = 0 if self._open is None else self._open.tell()
        return min(1.0, (self.bytes_read + here) / self.bytes_expected)

    def main_reason(self) -> str | None:
        """Returns the reason for which most was left out, or None where nothing was."""
        return max(self.dropped, key=lambda reason: self.dropped[reason], default=None)

    def summary(self) -> str:
        """Writes the account as one line."""
        line = f"{self.dialogues:,} dialogues, {self.pairs:,} pairs"
        if not self.dropped:
            return f"{line}, nothing left out"
        reasons = (
            f"{count:,} x {reason} (first {self.first[reason]})"
            for reason, count in self.dropped.items()
        )
        return f"{line}; left out: {', '.join(reasons)}"
