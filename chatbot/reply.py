"""What a chatbot reads and replies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple


@dataclasses.dataclass(frozen=True)
class Reply:
    """A reply to a query; `str` gives its text.

    Attributes:
        text: The reply.
        log_prob: The model's log probability (nats) of the reply and its end token.
        score: What replies are ranked by: log_prob / ((5 + tokens) / 6) ** length_penalty, where
            tokens counts the end token and log_prob is taken among what the search's rules allow;
            `chatbot.lite.rescoring` has the whole formula.
        tokens: The reply's tokens as the network says them, without the end token.
        copied: {place: word of the query} for unknown tokens in whose place the text has it.
    """

    text: str
    log_prob: float
    score: float
    tokens: tuple[str, ...] = dataclasses.field(default=(), compare=False, repr=False)
    copied: Mapping[int, str] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @property
    def words(self) -> tuple[str, ...]:
        """The tokens that the text is written from."""
        return tuple(self.copied.get(place, token) for place, token in enumerate(self.tokens))

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return _write_table([self])


class Replies(list[Reply]):
    """Replies to one query, the best first; a notebook shows them as a table."""

    def _repr_html_(self) -> str:
        return _write_table(self)


def _write_table(replies: Sequence[Reply]) -> str:
    rows = (
        f'<tr><td style="text-align: left">{escape(reply.text)}</td>'
        f"<td>{reply.log_prob:.2f}</td><td>{reply.score:.2f}</td></tr>"
        for reply in replies
    )
    head = '<tr><th style="text-align: left">reply</th><th>log_prob</th><th>score</th></tr>'
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


class ReadQuery(NamedTuple):
    """A query as the model reads it.

    Attributes:
        ids: At least one token, and of each turn at most `max_length`, separators between the
            turns; a last turn without any token is one unknown token.
        is_cut: Whether the last turn has more than the model reads.
        words: What each id stands for, as the text has it, unknown words too.
    """

    ids: list[int]
    is_cut: bool
    words: Sequence[str] = ()
