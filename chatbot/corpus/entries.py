"""Dialogues in JSON values, in the forms that corpora have.

A list of texts is a dialogue of these turns. An object is a pair (`query` and `reply`, or other
names for them), or has a list of turns, each a text or an object with its text and, if it has one,
its speaker. Where turns are an assistant's, these alone are learned as replies. `INTENT` says what
a reply replies to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from chatbot.corpus.columns import INTENT, find_names
from chatbot.corpus.json_lines import as_text
from chatbot.corpus.report import Dialogue, ReadReport

NO_PAIR = 'object without the texts "query" and "reply"'
_SEVERAL = "object with several texts that may be query or reply (choose two with --columns)"

_LISTS = "messages dialog dialogue dialogs conversation conversations utterances turns".split()
_TEXTS = "content text utterance value".split()
_SPEAKERS = "role from speaker author".split()
# What a person never sees: instructions to a program, and what it asks and hears of its tools.
_UNSAID = ("system", "developer", "tool", "function", "function_call", "observation")


_ASSISTANTS = ("assistant", "gpt", "bot", "chatbot", "model", "chatgpt")


class _Turn(NamedTuple):
    text: str
    speaker: object
    intent: str = ""


_NOTHING_SAID = _Turn("", None)


def is_entry(value: object) -> bool:
    """Tells whether a value has a dialogue's form."""
    if _find_turns(value) is not None:
        return True
    queries, replies = find_names(value if isinstance(value, dict) else ())
    return bool(queries and replies)


def holds_more(value: object) -> bool:
    """Tells whether a value is an object that is no entry, but may have entries in it."""
    if not isinstance(value, dict) or is_entry(value):
        return False
    return any(isinstance(item, (dict, list)) for item in value.values())


def read_entry(
    value: object, where: str, columns: tuple[str, str] | None, report: ReadReport
) -> Iterator[Dialogue]:
    """Reads the dialogue of a value; a turn without a text cuts it in two.

    Args:
        value: A value that `json` has parsed.
        where: `file:line` of it.
        columns: The keys of query and reply, or None to find them.
        report: Counts what cannot be used.
    """
    turns = None if columns else _find_turns(value)
    if turns is not None:
        yield from _read_turns(turns, where, report)
        return
    if not isinstance(value, dict):
        report.drop("entry that is neither an object nor a list of turns", where)
        return
    if columns is None:
        queries, replies = find_names(value)
        if queries and replies and len(queries) + len(replies) > 2:
            report.drop(_SEVERAL, where)
            return
        columns = (queries[0], replies[0]) if queries and replies else None
    query, reply = (as_text(value.get(name)) for name in columns or ("query", "reply"))
    if query is None or reply is None:
        report.drop(NO_PAIR if columns is None else _name_missing(columns), where)
    else:
        yield Dialogue([query, reply], where, None, ("", as_text(value.get(INTENT)) or ""))


def _find_turns(value: object) -> list[Any] | None:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        found = [value[name] for name in _LISTS if isinstance(value.get(name), list)]
        # A list of lists holds dialogues, not turns.
        if len(found) == 1 and not any(isinstance(item, list) for item in found[0]):
            return found[0]  # type: ignore[no-any-return]
    return None


def _name_missing(columns: tuple[str, str]) -> str:
    query, reply = (name if name.isprintable() else "?" for name in columns)
    return f'object without the texts "{query}" and "{reply}"'


def _read_turns(items: list[Any], where: str, report: ReadReport) -> Iterator[Dialogue]:
    turns: list[_Turn] = []
    is_parted = False
    for item in items:
        turn = _as_turn(item)
        if turn is None:
            report.drop("turn without a text", where)
            if len(turns) > 1:
                yield _make_dialogue(turns, where)
            turns, is_parted = [], True
        elif turn is _NOTHING_SAID:
            continue
        elif turns and turn.speaker is not None and turn.speaker == turns[-1].speaker:
            # One who goes on does not answer.
            turns[-1] = turns[-1]._replace(text=f"{turns[-1].text}\n{turn.text}")
        else:
            turns.append(turn)
    if turns or not is_parted:
        yield _make_dialogue(turns, where)


def _make_dialogue(turns: list[_Turn], where: str) -> Dialogue:
    answers = [turn.speaker in _ASSISTANTS for turn in turns]
    intents = [turn.intent for turn in turns]
    return Dialogue(
        [turn.text for turn in turns], where, answers if any(answers) else None, intents
    )


def _as_turn(item: object) -> _Turn | None:
    if isinstance(item, dict):
        speaker = next((item[name] for name in _SPEAKERS if name in item), None)
        content = next((item[name] for name in _TEXTS if name in item), None)
        # A "speaker" may be the system that people talk to; a role or a sender is never that.
        is_unsaid = item.get("role", item.get("from")) in _UNSAID
        if is_unsaid or (content is None and "tool_calls" in item):
            return _NOTHING_SAID
        text = _join_parts(content) if isinstance(content, list) else as_text(content)
        return None if text is None else _Turn(text, speaker, as_text(item.get(INTENT)) or "")
    text = as_text(item)
    return None if text is None else _Turn(text, None)


def _join_parts(parts: list[Any]) -> str | None:
    """Joins the texts among the parts of a message; None if all are pictures."""
    found = (part.get("text") if isinstance(part, dict) else part for part in parts)
    texts = [text for text in map(as_text, found) if text is not None]
    return "\n".join(texts) if texts else None
