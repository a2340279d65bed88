"""Writes replies as chat completions, whole or as a stream of events.

A search knows a reply only when it is whole, so a stream's events follow one another at once.
"""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chatbot.reply import Reply
from chatbot.serving.bodies import write_json
from chatbot.serving.chat_request import ChatRequest
from chatbot.serving.models import Answered

_WORD = re.compile(r"\s*\S+\s*?|\s+")
_PROCESS = secrets.token_hex(8)
_NUMBERS = itertools.count()  # to ask the system for random bytes each time costs 0.1 ms
Json = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """One reply, as it is sent.

    Attributes:
        text: The reply, cut where it had to be.
        tokens: How many tokens are sent or were cut by a stop.
        finish_reason: "stop", or "length" where it has as many tokens as it may have.
    """

    text: str
    tokens: int
    finish_reason: str


def choose(asked: ChatRequest, answered: Answered) -> list[Choice]:
    """Cuts the replies that are sent."""
    longest = min(asked.most_tokens or answered.longest, answered.longest)
    write, replies = answered.write, answered.replies[: asked.count]
    return [_cut(reply, longest, asked.stops, write) for reply in replies]


def _cut(
    reply: Reply, longest: int, stops: tuple[str, ...], write: Callable[[Sequence[str]], str]
) -> Choice:
    tokens = reply.words[:longest]
    text = reply.text if len(tokens) == len(reply.tokens) else write(tokens)
    ends = [place for place in (text.find(stop) for stop in stops) if place >= 0]
    if ends:
        return Choice(text[: min(ends)], len(tokens), "stop")
    return Choice(text, len(tokens), "length" if len(tokens) >= longest else "stop")


def write_completion(model: str, choices: list[Choice], prompt_tokens: int) -> Json:
    """Writes replies as one `chat.completion`."""
    return {
        **_begin("chat.completion", model),
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": choice.text, "refusal": None},
                "logprobs": None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(choices)
        ],
        "usage": _count(choices, prompt_tokens),
    }


def write_events(
    model: str, choices: list[Choice], prompt_tokens: int, include_usage: bool
) -> bytes:
    """Writes replies as server-sent events: `chat.completion.chunk`s and `[DONE]`."""
    begin = _begin("chat.completion.chunk", model)
    more: Json = {"usage": None} if include_usage else {}
    events = [
        {**begin, "choices": [delta], **more}
        for index, choice in enumerate(choices)
        for delta in _write_deltas(index, choice)
    ]
    if include_usage:
        events.append({**begin, "choices": [], "usage": _count(choices, prompt_tokens)})
    written = [b"data: " + write_json(event) + b"\n\n" for event in events]
    return b"".join([*written, b"data: [DONE]\n\n"])


def _write_deltas(index: int, choice: Choice) -> Iterator[Json]:
    contents = [{"role": "assistant", "content": ""}]
    contents += [{"content": word} for word in _WORD.findall(choice.text)]
    for content in [*contents, {}]:
        reason = None if content else choice.finish_reason
        yield {"index": index, "delta": content, "logprobs": None, "finish_reason": reason}


def _begin(kind: str, model: str) -> Json:
    name = f"chatcmpl-{_PROCESS}{next(_NUMBERS):08x}"
    return {"id": name, "object": kind, "created": int(time.time()), "model": model}


def _count(choices: list[Choice], prompt_tokens: int) -> dict[str, int]:
    said = sum(choice.tokens for choice in choices)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": said,
        "total_tokens": prompt_tokens + said,
    }
