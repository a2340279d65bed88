"""The greedy reply to a query beside those of the search that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from chatbot.bot import Chatbot
    from chatbot.reply import Reply
    from chatbot.text import Query


_GREEDY = {
    "beam_size": 1,
    "diverse_groups": 1,
    "sample": False,
    "mmi_weight": 0.0,  # which sorts, and there is one reply
    "coverage_penalty": 0.0,
}


class Answer(NamedTuple):
    """The replies that are shown for a query.

    Attributes:
        greedy: The greedy reply.
        others: The replies of the other search, best first; none where it was not asked for.
        kind: The name of that search: "beam" or "sample".
    """

    greedy: Reply
    others: list[Reply]
    kind: str

    @property
    def best(self) -> Reply:
        """The reply that later turns take as the answer: the other search's best, or the greedy."""
        return self.others[0] if self.others else self.greedy

    def find(self, name: str) -> Reply | None:
        """Returns the reply named "greedy", "1", "2", ... or "" (the best), or None."""
        named = {"": self.best, "greedy": self.greedy}
        named.update((str(place), reply) for place, reply in enumerate(self.others, start=1))
        return named.get(name)


def answer(
    bot: Chatbot, queries: Sequence[Query], changes: Mapping[str, Any] | None = None
) -> list[Answer]:
    """Answers queries.

    Args:
        bot: Who answers.
        queries: The queries.
        changes: {setting: value} for what is to differ from the chatbot's `SearchConfig`.

    Raises:
        ChatbotError: The settings contradict each other, or there is no reply.
    """
    given = changes or {}
    search = bot.config.search.resolve(given)
    greedy = [replies[0] for replies in bot.replies(queries, **{**given, **_GREEDY})]
    others: list[list[Reply]] = [[] for _ in queries]
    if search.sample or search.beam_search:
        others = bot.replies(queries, **given)
    kind = "sample" if search.sample else "beam"
    return [Answer(one, ranked, kind) for one, ranked in zip(greedy, others)]
