"""Searches named on the command line: `sampled:sample,top_k=40` is a label and settings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chatbot.errors import ChatbotError
from chatbot.settings.config import PLAIN, Config, SearchConfig
from chatbot.settings.fields import parse_value

GREEDY = "greedy"
OWN = "chat"
"""The search that the model's own settings ask for, where that is neither of the plain ones."""
PEOPLE = "people"
LEAD = "lead"
UNSEARCHED = (PEOPLE, LEAD)
"""Rows of replies that no search has found."""
_TAKEN = {GREEDY, OWN, *UNSEARCHED, "query", "corpus"}
"""Names of other rows and columns."""
_THE_MODELS = {
    "beam_search",
    "beam_size",
    "max_reply_length",
    "length_penalty",
    "ban_unk",
    "replace_unk",
    "sampling_seed",
}
"""Settings that a search takes from the model if it does not name them; the others are default."""
_NOT_HERE = "beam_search"  # says what the chat shows, not how a reply is looked for


class Search(NamedTuple):
    """A way to look for replies, as a row of the tables.

    Attributes:
        name: The row's name.
        settings: {setting of `SearchConfig`: value} for what differs from the model's own.
    """

    name: str
    settings: Mapping[str, Any]


def parse_searches(specs: Sequence[str]) -> list[Search]:
    """Reads searches as the command line names them.

    Args:
        specs: Settings of `SearchConfig` with commas between them, each `name=value`, or for a
            switch `name` or `noname`; perhaps a label and a colon before them, else they are the
            name themselves.

    Raises:
        ChatbotError: A setting is unknown, named twice or out of range, or a name is taken.
    """
    searches: list[Search] = []
    for spec in specs:
        try:
            search = _parse(spec)
            if search.name in {other.name for other in searches}:
                raise ChatbotError("there is another of this name; put a label and a colon before")
        except ChatbotError as error:
            raise ChatbotError(f"--search={spec}: {error}") from None
        searches.append(search)
    return searches


def list_searches(config: Config, searches: Sequence[Search]) -> list[Search]:
    """Puts the plain searches before the named ones, and checks them all.

    Returns:
        Greedy search, the beam of the model's width if it has one, the model's own search if it is
        another one, and the named searches. A setting that these do not name is the model's own
        where it says how many and how long replies are, and otherwise the plain beam's, so that
        they mean the same for every model.

    Raises:
        ChatbotError: A search does not fit the model.
    """
    # Whatever the model's own settings are, these two rows are the plain searches.
    own = config.search
    listed = [Search(GREEDY, {**PLAIN, "beam_size": 1})]
    if own.beam_search and own.beam_size > 1:
        listed.append(Search(name_beam(own), {**PLAIN, "beam_size": own.beam_size}))
    if any(getattr(own, name) != value for name, value in PLAIN.items()):
        listed.append(Search(OWN, {}))
    given = {
        item.name: item.default
        for item in dataclasses.fields(SearchConfig)
        if item.name not in _THE_MODELS
    }
    given["beam_search"] = True
    named = [Search(name, {**given, **settings}) for name, settings in searches]
    for search in named:
        try:
            config.fit_search(own.resolve(search.settings))
        except ChatbotError as error:
            raise ChatbotError(f"--search={search.name}: {error}") from None
    return [*listed, *named]


def name_beam(own: SearchConfig) -> str:
    """Names the row of the model's own beam."""
    return f"beam {own.beam_size}"


def _parse(spec: str) -> Search:
    label, _, listed = spec.rpartition(":")
    words = [word.strip() for word in listed.split(",")]
    settings: dict[str, Any] = {}
    for word in words:
        name, value = _parse_setting(word)
        if name in settings:
            raise ChatbotError(f"{name} is named twice; name it once")
        settings[name] = value
    SearchConfig(**settings)
    name = " ".join(label.split()) or ",".join(words)
    if name in _TAKEN or re.fullmatch(r"beam \d+", name):
        raise ChatbotError(f"the label {name!r} is taken already; choose another")
    if not name.isprintable():
        raise ChatbotError("the label cannot be printed; choose another")
    return Search(name, settings)


def _parse_setting(word: str) -> tuple[str, Any]:
    items = {item.name: item for item in dataclasses.fields(SearchConfig)}
    del items[_NOT_HERE]
    switches = {name for name, item in items.items() if isinstance(item.default, bool)}
    name, equals, text = (part.strip() for part in word.partition("="))
    if not equals and name in switches:
        return name, True
    if not equals and name.startswith("no") and name[2:] in switches:
        return name[2:], False
    if name not in items:
        raise ChatbotError(f"{word!r} is no setting of a search; there are {', '.join(items)}")
    if not equals:
        raise ChatbotError(f"{name} needs a value; give {name}=VALUE")
    return name, parse_value(items[name], text)
