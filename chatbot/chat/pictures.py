"""Pictures of answers: attention, and what the beam kept and dropped."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.beam_tree import cut_tree, find_path
from chatbot.errors import ChatbotError
from chatbot.plots import draw_attention, draw_beam_tree
from chatbot.plots.labels import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatbot.bot import Chatbot
    from chatbot.chat.answer import Answer
    from chatbot.reply import Reply
    from chatbot.text import Query

_TITLE = 60  # columns of a text in a title


class Pictures:
    """Draws pictures of every answer into directories, numbered after those that are there.

    0001-greedy.png     the attention of the greedy reply
    0001-beam-1.png     that of the beam's best
    0001-beam_tree.svg  what the beam kept and dropped
    """

    def __init__(self, attention_dir: str = "", beam_tree_dir: str = "") -> None:
        """Makes the directories; an empty name draws no such pictures.

        Raises:
            ChatbotError: A directory cannot be made.
        """
        self._attention = _make_directory("attention_dir", attention_dir)
        self._trees = _make_directory("beam_tree_dir", beam_tree_dir)
        made = [path for path in (self._attention, self._trees) if path is not None]
        self._number = max(map(_find_last_number, made), default=0)
        self._told: set[str] = set()

    def draw(
        self, bot: Chatbot, query: Query, answer: Answer, settings: Mapping[str, Any] | None = None
    ) -> list[str]:
        """Draws an answer to a query.

        Args:
            bot: Who answered.
            query: The query.
            answer: The answer.
            settings: {setting: value} for what the search differed in from the bot's own.

        Returns:
            Lines to show.

        Raises:
            ChatbotError: A picture cannot be written, or the model has no attention.
        """
        self._number += 1
        notes = []
        if self._attention is not None:
            for name in ("greedy", "1") if answer.others else ("greedy",):
                notes += self._draw_attention(bot, query, answer, name)
        if self._trees is not None:
            notes += self._draw_tree(bot, query, answer.best, dict(settings or {}))
        return notes

    def _draw_attention(self, bot: Chatbot, query: Query, answer: Answer, name: str) -> list[str]:
        reply = answer.find(name)
        if self._attention is None or reply is None:
            return []
        label = "greedy" if reply is answer.greedy else f"{answer.kind}-{name or '1'}"
        path = str(self._attention / f"{self._number:04}-{label}.png")
        title = f"{label.replace('-', ' ')}: {shorten(reply.text, _TITLE)}"
        return self._tell(path, draw_attention(path, *bot.attend(query, reply), title))

    def _draw_tree(
        self, bot: Chatbot, query: Query, best: Reply, settings: dict[str, Any]
    ) -> list[str]:
        tree, cut = cut_tree(bot.trace_beam(query, **settings))
        path = str((self._trees or Path()) / f"{self._number:04}-beam_tree.svg")
        last = query if isinstance(query, str) else query[-1]
        place = find_path(tree, best.tokens)
        line = draw_beam_tree(path, tree, f"beam: {shorten(last, _TITLE)}", place)
        return [*([cut] if cut else []), *self._tell(path, line)]

    def _tell(self, path: str, line: str) -> list[str]:
        """Passes a line on unless it was said of another picture before."""
        what = line.replace(path, "")
        if not what or what in self._told:
            return []
        self._told.add(what)
        return [line]


def _make_directory(flag: str, path: str) -> Path | None:
    if not path:
        return None
    try:
        os.makedirs(path, exist_ok=True)
        os.listdir(path)
    except OSError as error:
        raise ChatbotError(
            f"--{flag}={path} cannot be made or read ({error.strerror}); name another directory"
        ) from None
    return Path(path)


def _find_last_number(directory: Path) -> int:
    numbers = (re.match(r"(\d{4,9})-", name) for name in os.listdir(directory))
    return max((int(match[1]) for match in numbers if match), default=0)
