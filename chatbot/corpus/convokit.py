"""Reader of ConvoKit: utterances.jsonl, an utterance a line.

An utterance has id, conversation_id (formerly root), reply_to (formerly reply-to; null, or its own
id, where a conversation starts) and text. The utterances of a conversation may come in any order
and lie far apart: a first pass over the file finds the line with which each conversation ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from chatbot.corpus.json_lines import as_text, read_values
from chatbot.corpus.reader import Reader, read_each
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source

# What memory has room for: the ends of so many conversations, and so many utterances and characters
# of the conversations that go on. Beyond, the one that has waited longest for another utterance is
# taken to be whole.
_MAX_ENDS = 1_000_000
_MAX_UTTERANCES = 250_000
_MAX_CHARACTERS = 64 << 20


class _Utterance(NamedTuple):
    text: str | None  # None where it has none that can be used
    reply_to: str | None
    line: int
    unread_lines: int  # before it


_Conversation = dict[str, _Utterance]


def _read_file(source: Source, report: ReadReport) -> Iterator[Dialogue]:
    """Reads the dialogues, a conversation's when it ends.

    Each reply follows the utterance that it replies to. Where one has several, the first goes on
    with the dialogue and each other starts one of its own with the utterance repeated, so that
    every reply makes one pair. Without reply_to an utterance follows the one before it in its
    conversation, if no line between them is left out.
    """
    window = _Window(source.name, report)
    ends = _find_ends(source)
    for line, entry in read_values(source, report, (dict,)):
        conversation_id = _find_conversation(entry)
        if not window.add(conversation_id, entry, line):
            report.unread_lines += 1
        if line in ends:
            yield from window.close(conversation_id)
        yield from window.make_room()
    yield from window.close_all()


def _find_ends(source: Source) -> set[int]:
    """Returns the lines with which conversations end."""
    ends: dict[int, int] = {}
    for line, entry in read_values(source, ReadReport(), (dict,)):
        # Of two conversations with the same hash one waits longer than it needs to, no more.
        conversation = hash(_find_conversation(entry))
        if conversation in ends or len(ends) < _MAX_ENDS:
            ends[conversation] = line
    return set(ends.values())


class _Window:
    """The conversations that may still go on, the one that waited longest first."""

    def __init__(self, name: str, report: ReadReport) -> None:
        self._name = name
        self._report = report
        self._open: dict[str, _Conversation] = {}
        self._utterances = 0
        self._characters = 0

    def add(self, conversation_id: str | None, entry: dict[str, Any], line: int) -> bool:
        """Adds an utterance; returns whether its place in its conversation is known."""
        utterance_id, text = _as_id(entry.get("id")), as_text(entry.get("text"))
        if utterance_id is None or conversation_id is None:
            self._drop("utterance without id or conversation_id", line)
            return False
        conversation = self._open.pop(conversation_id, {})
        self._open[conversation_id] = conversation
        if utterance_id in conversation:
            self._drop("utterance whose id an earlier one has", line)
            return False
        if text is None:
            self._drop("utterance without text", line)
        unread_lines = self._report.unread_lines
        if "reply_to" in entry or "reply-to" in entry:
            reply_to = _as_id(entry.get("reply_to", entry.get("reply-to")))
        else:
            last = next(reversed(conversation), None)
            is_next = last is not None and conversation[last].unread_lines == unread_lines
            reply_to = last if is_next else None
        if reply_to == utterance_id:
            reply_to = None
        conversation[utterance_id] = _Utterance(text, reply_to, line, unread_lines)
        self._utterances += 1
        self._characters += len(text or "")
        return True

    def close(self, conversation_id: str | None) -> Iterator[Dialogue]:
        """Yields the dialogues of a conversation, if there is anything of it."""
        conversation = {} if conversation_id is None else self._open.pop(conversation_id, {})
        self._utterances -= len(conversation)
        self._characters -= sum(len(utterance.text or "") for utterance in conversation.values())
        for turns, line in _follow_replies(conversation, self._drop):
            yield Dialogue(turns, f"{self._name}:{line}")

    def make_room(self) -> Iterator[Dialogue]:
        """Yields the dialogues of the conversations that cannot wait any longer."""
        while self._utterances > _MAX_UTTERANCES or self._characters > _MAX_CHARACTERS:
            conversation_id, conversation = next(iter(self._open.items()))
            reason = (
                f"conversation cut off because {_MAX_UTTERANCES:,} utterances or "
                f"{_MAX_CHARACTERS:,} characters waited for replies"
            )
            self._drop(reason, next(iter(conversation.values())).line)
            yield from self.close(conversation_id)

    def close_all(self) -> Iterator[Dialogue]:
        """Yields the dialogues of all conversations."""
        while self._open:
            yield from self.close(next(iter(self._open)))

    def _drop(self, reason: str, line: int) -> None:
        self._report.drop(reason, f"{self._name}:{line}")


def _follow_replies(
    conversation: _Conversation, drop: Callable[[str, int], None]
) -> Iterator[tuple[list[str], int]]:
    """Divides the tree of replies into chains, each with a line, every reply in exactly one."""
    texts = {name: said.text for name, said in conversation.items() if said.text is not None}
    replies: dict[str, list[str]] = {}
    # The turn that a chain replies to, its first utterance.
    starts: list[tuple[list[str], str]] = []
    for utterance_id in texts:
        _, reply_to, line, _ = conversation[utterance_id]
        if reply_to in texts:
            replies.setdefault(reply_to, []).append(utterance_id)
            continue
        if reply_to is not None and reply_to not in conversation:
            drop("reply to an utterance that is not there", line)
        starts.append(([], utterance_id))
    starts.reverse()
    while starts:
        turns, utterance_id = starts.pop()
        line = conversation[utterance_id].line
        while True:
            text = texts.pop(utterance_id)
            turns.append(text)
            if utterance_id not in replies:
                break
            utterance_id, *others = replies[utterance_id]
            starts += [([text], other) for other in reversed(others)]
        yield turns, line
    for utterance_id in texts:
        drop("replies in a circle", conversation[utterance_id].line)


def _find_conversation(entry: dict[str, Any]) -> str | None:
    return _as_id(entry.get("conversation_id", entry.get("root")))


def _as_id(value: object) -> str | None:
    return value if isinstance(value, str) else None


READER = Reader("utterances.jsonl file", "utterances.jsonl".__eq__, read_each(_read_file))
