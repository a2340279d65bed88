"""The chatbots that are served, and the work that they do."""

from __future__ import annotations

import functools
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chatbot.bot import Chatbot
from chatbot.errors import ChatbotError, OnnxError
from chatbot.reply import Reply
from chatbot.serving.compare import compare, describe_model
from chatbot.text import join

Turns = tuple[str, ...]
"""The turns of a dialogue, oldest first."""
Changes = tuple[tuple[str, Any], ...]
"""What is to differ from a model's `SearchConfig`, in alphabetical order."""

MOST_ROWS = 320
"""Hypotheses of all queries of a batch, at most: wider batches are hardly faster, and later."""
MOST_QUERIES = 64
"""Queries of a batch, at most."""


class Served(NamedTuple):
    """A chatbot under its name.

    Attributes:
        name: Its id for callers, the name of its directory.
        bot: The chatbot.
        created: When it was loaded, in seconds since 1970.
    """

    name: str
    bot: Chatbot
    created: int


class Answered(NamedTuple):
    """The replies to one query.

    Attributes:
        replies: The best first.
        prompt_tokens: How many tokens of the query were read.
        longest: Most tokens that a reply may have.
        write: Writes some of a reply's tokens as text.
    """

    replies: Sequence[Reply]
    prompt_tokens: int
    longest: int
    write: Callable[[Sequence[str]], str] = join


def name_directories(model_dirs: Iterable[str]) -> dict[str, str]:
    """Names model directories by the last part of their paths.

    Raises:
        ChatbotError: Two have the same name, or there is none.
    """
    named: dict[str, str] = {}
    for path in model_dirs:
        name = os.path.basename(os.path.abspath(path)) or "model"
        if name in named:
            raise ChatbotError(
                f"{named[name]} and {path} would both be called {name}; rename one, or make a "
                "symbolic link with another name"
            )
        named[name] = path
    if not named:
        raise ChatbotError("no model is named; name one with --model_dir")
    return named


def load_models(directories: Mapping[str, str]) -> dict[str, Served]:
    """Loads chatbots, which then need their directories no more.

    Args:
        directories: {name: model directory}.

    Raises:
        ChatbotError: One cannot be loaded.
    """
    models = {}
    for name, path in directories.items():
        try:
            bot = Chatbot.load(path, engine="onnx")
        except OnnxError as error:
            cure = error.cure or "chat with it by predict.py"
            raise ChatbotError(f"{path} cannot be served: {error.problem}; {cure}") from None
        bot.warm_up()
        models[name] = Served(name, bot, int(time.time()))
    return models


@dataclass(frozen=True)
class ReplyWork:
    """Replies by one search of one model; an item is the turns of a dialogue.

    Attributes:
        model: The model.
        changes: What differs from its own search.
        draws_seed: Whether each batch has another seed.
    """

    model: Served
    changes: Changes = ()
    draws_seed: bool = False

    @property
    def distinct(self) -> bool:
        """Equal queries with one seed would get equal samples."""
        return self.draws_seed

    @functools.cached_property
    def most(self) -> int:
        """Queries of a batch, at most."""
        width = self.model.bot.config.search.resolve(dict(self.changes)).beam_size
        return max(1, min(MOST_QUERIES, MOST_ROWS // width))

    def run(self, items: Sequence[Turns]) -> list[Answered]:
        """Replies to each query."""
        changes = dict(self.changes)
        if self.draws_seed:
            changes["sampling_seed"] = secrets.randbelow(1 << 31)
        bot = self.model.bot
        longest = changes.get("max_reply_length", bot.config.search.max_reply_length)
        found = bot.replies(items, **changes)
        return [
            Answered(replies, len(bot.read(turns).ids), longest, bot.vocabulary.write)
            for turns, replies in zip(items, found)
        ]


@dataclass(frozen=True)
class ComparingWork:
    """Searches of one model beside one another; an item has `compare`'s arguments."""

    model: Served
    most: int = 1
    distinct: bool = False

    def run(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Compares; the results are ready for JSON."""
        return [compare(self.model.bot, **item) for item in items]


@dataclass(frozen=True)
class DescribingWork:
    """The description of one model."""

    model: Served
    most: int = 1
    distinct: bool = False

    def run(self, items: Sequence[Any]) -> list[dict[str, Any]]:
        """Describes it for each item, under its id."""
        return [{"id": self.model.name, **describe_model(self.model.bot)} for _ in items]
