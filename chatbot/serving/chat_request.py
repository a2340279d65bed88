"""Reads the body of a chat completion.

What a caller asks for, and what the search makes of it:

    messages               the turns; those of system, developer, tool and function are left out
    temperature            above 0: samples at this temperature; 0 or absent: the model's own search
    top_p                  of samples
    seed                   of samples; absent: another one each time
    n                      choices: samples, or the best of the beam, which is widened if need be
    max_tokens             cuts the reply, whatever the search; max_completion_tokens is the same
    stop                   cuts the reply before any of these texts
    stream                 with stream_options.include_usage

All else is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatbot.serving.models import Changes, Turns
from chatbot.serving.request_error import RequestError
from chatbot.settings.config import SearchConfig

SPEAKERS = ("user", "assistant")
OTHERS = ("system", "developer", "tool", "function")
MOST_CHOICES = 20
MOST_STOPS = 4


@dataclass(frozen=True)
class ChatRequest:
    """A chat completion that somebody asks for.

    Attributes:
        turns: What was said, oldest first.
        temperature: Of samples; 0 asks for the model's own search.
        top_p: Of samples.
        seed: Of samples, or None for another one each time.
        count: Choices.
        most_tokens: Tokens of a reply, at most, or None.
        stops: A reply ends before these.
        stream: Whether to send the reply as events.
        include_usage: Whether the events end with the usage.
    """

    turns: Turns
    temperature: float
    top_p: float
    seed: int | None
    count: int
    most_tokens: int | None
    stops: tuple[str, ...]
    stream: bool
    include_usage: bool

    @property
    def draws_seed(self) -> bool:
        """Whether the samples need a seed of their own."""
        return self.temperature > 0 and self.seed is None

    def change_search(self, own: SearchConfig) -> Changes:
        """Returns what differs from a model's own search."""
        if self.temperature > 0:
            changes = {
                "sample": True,
                "beam_size": self.count,
                "temperature": self.temperature,
                "top_k": 0,
                "top_p": self.top_p,
            }
            if self.seed is not None:
                changes["sampling_seed"] = self.seed
        elif self.count > 1 and self.count > own.resolve({}).beam_size:
            changes = {"beam_search": True, "beam_size": self.count, "diverse_groups": 1}
        else:
            changes = {}
        return tuple(sorted(changes.items()))


def parse_chat(body: Mapping[str, Any]) -> ChatRequest:
    """Reads a chat completion's body.

    Raises:
        RequestError: 400, something is missing or does not fit.
    """
    options = body.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise RequestError(400, "stream_options must be an object", param="stream_options")
    most = [
        _take_number(body, name, None, 1, 1 << 31)
        for name in ("max_completion_tokens", "max_tokens")
    ]
    seed = _take_number(body, "seed", None, -(1 << 63), (1 << 63) - 1)
    return ChatRequest(
        turns=_take_turns(body.get("messages")),
        temperature=_take_temperature(body),
        top_p=max(1e-6, _take_number(body, "top_p", 1.0, 0, 1, whole=False)),
        seed=None if seed is None else seed % (1 << 31),
        count=_take_number(body, "n", 1, 1, MOST_CHOICES),
        most_tokens=next((number for number in most if number is not None), None),
        stops=_take_stops(body.get("stop")),
        stream=_take_switch(body, "stream"),
        include_usage=_take_switch(options or {}, "include_usage"),
    )


def _take_turns(messages: Any) -> Turns:
    if not isinstance(messages, list) or not messages:
        raise RequestError(400, "messages must be a list of at least one message", param="messages")
    turns = []
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        role = message.get("role") if isinstance(message, dict) else None
        if role not in SPEAKERS + OTHERS:
            known = ", ".join(SPEAKERS + OTHERS)
            raise RequestError(400, f"{place} must have a role, one of {known}", param="messages")
        if role in SPEAKERS:
            turns.append(_take_content(message.get("content"), place))
    if not turns:
        raise RequestError(400, "messages has no message of a user", param="messages")
    return tuple(turns)


def _take_content(content: Any, place: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    parts = content if isinstance(content, list) else [None]
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    found = [text for text in texts if isinstance(text, str)]
    if len(found) < len(parts):
        raise RequestError(400, f"{place}.content must be text, or parts of text", param="messages")
    return "".join(found)


def _take_temperature(body: Mapping[str, Any]) -> float:
    temperature: float = _take_number(body, "temperature", 0.0, 0, 2, whole=False)
    return max(0.01, temperature) if temperature else 0.0


def _take_number(
    body: Mapping[str, Any], name: str, default: Any, low: float, high: float, whole: bool = True
) -> Any:
    value = body.get(name)
    if value is None:
        return default
    kinds = (int,) if whole else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool) or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise RequestError(400, f"{name} must be {kind} from {low} to {high}", param=name)
    return value if whole else float(value)


def _take_switch(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise RequestError(400, f"{name} must be true or false", param=name)
    return bool(value)


def _take_stops(stop: Any) -> tuple[str, ...]:
    stops = [] if stop is None else [stop] if isinstance(stop, str) else stop
    fits = isinstance(stops, list) and len(stops) <= MOST_STOPS
    if not fits or not all(isinstance(text, str) and text for text in stops):
        raise RequestError(400, f"stop must be a text, or at most {MOST_STOPS} texts", param="stop")
    return tuple(stops)
