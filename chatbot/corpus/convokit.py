"""Reader of ConvoKit: utterances.jsonl, an utterance a line.

An utterance has id, conversation_id (formerly root), reply_to (formerly reply-to; null where a
conversation starts) and text. The utterances of a conversation mostly stand together, in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from chatbot.corpus.json_lines import as_text, read_objects
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source

NEEDS = "utterances.jsonl file"

# The conversations kept open at a time. When they are more, the one that has waited longest for
# another utterance is taken to be whole.
_MAX_UTTERANCES = 100_000
_MAX_CHARACTERS = 16 << 20


class _Utterance(NamedTuple):
    text: str
    reply_to: str | None
    where: str


_Conversation = dict[str, _Utterance]


def reads(file_name: str) -> bool:
    """Says whether a file of this name is one of the format's."""
    return file_name == "utterances.jsonl"


def read(sources: Sequence[Source], report: ReadReport) -> Iterator[Dialogue]:
    """Reads the dialogues: each reply follows the utterance that it replies to.

    Where one utterance has several replies, the first goes on with the dialogue and each other
    starts one of its own with the utterance repeated, so that every reply makes one pair.

    Args:
        sources: the files.
        report: counts the utterances that are left out, and replies to what is not there.

    Yields:
        The dialogues.
    """
    for source in sources:
        window = _Window(report)
        name = source.name
        for number, entry in read_objects(source, report):
            where = f"{name}:{number}"
            utterance_id = _as_id(entry.get("id"))
            conversation_id = _as_id(entry.get("conversation_id", entry.get("root")))
            text = as_text(entry.get("text"))
            if utterance_id is None or conversation_id is None:
                report.drop("utterance without id or conversation_id", where)
            elif text is None:
                report.drop("utterance without text", where)
            else:
                window.add(conversation_id, utterance_id, text, entry, where)
                yield from window.close(_MAX_UTTERANCES, _MAX_CHARACTERS)
        yield from window.close(0, 0)


class _Window:
    """The conversations that may still go on, the one that waited longest first."""

    def __init__(self, report: ReadReport) -> None:
        self._report = report
        self._open: dict[str, _Conversation] = {}
        self._utterances = 0
        self._characters = 0

    def add(
        self, conversation_id: str, utterance_id: str, text: str, entry: dict[str, Any], where: str
    ) -> None:
        conversation = self._open.pop(conversation_id, {})
        self._open[conversation_id] = conversation
        if utterance_id in conversation:
            self._report.drop("utterance whose id an earlier one has", where)
            return
        reply_to = _as_id(entry.get("reply_to", entry.get("reply-to")))
        if "reply_to" not in entry and "reply-to" not in entry:
            reply_to = next(reversed(conversation), None)
        conversation[utterance_id] = _Utterance(text, reply_to, where)
        self._utterances += 1
        self._characters += len(text)

    def close(self, max_utterances: int, max_characters: int) -> Iterator[Dialogue]:
        while self._open and (
            self._utterances > max_utterances or self._characters > max_characters
        ):
            conversation = self._open.pop(next(iter(self._open)))
            self._utterances -= len(conversation)
            self._characters -= sum(len(utterance.text) for utterance in conversation.values())
            yield from _follow_replies(conversation, self._report)


def _follow_replies(conversation: _Conversation, report: ReadReport) -> Iterator[Dialogue]:
    """Divides the tree of replies into chains, every reply in exactly one of them."""
    replies: dict[str, list[str]] = {}
    starts: list[
        tuple[list[str], str]
    ] = []  # the turn that a chain replies to, its first utterance
    for utterance_id, utterance in conversation.items():
        if utterance.reply_to in conversation:
            replies.setdefault(utterance.reply_to, []).append(utterance_id)
            continue
        if utterance.reply_to is not None:
            report.drop("reply to an utterance that is not there", utterance.where)
        starts.append(([], utterance_id))
    left = dict(conversation)
    starts.reverse()
    while starts:
        turns, utterance_id = starts.pop()
        where = conversation[utterance_id].where
        while True:
            text = left.pop(utterance_id).text
            turns.append(text)
            if utterance_id not in replies:
                break
            utterance_id, *others = replies[utterance_id]
            starts += [([text], other) for other in reversed(others)]
        yield Dialogue(turns, where)
    for utterance in left.values():
        report.drop("replies in a circle", utterance.where)


def _as_id(value: object) -> str | None:
    return str(value) if isinstance(value, (str, float)) else None
