"""What a chatbot reads, replies and attends to."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple


@dataclasses.dataclass(frozen=True)
class Reply:
    """A reply to a query; `str` gives its text.

    Attributes:
        text: The reply.
        log_prob: The model's log probability (nats) of the reply and its end token.
        score: What replies are ranked by: log_prob / ((5 + tokens) / 6) ** length_penalty, where
            tokens counts the end token and log_prob is taken among what the search's rules allow;
            `chatbot.search.rescoring` has the whole formula.
        tokens: The reply's tokens, without the end token.
    """

    text: str
    log_prob: float
    score: float
    tokens: tuple[str, ...] = dataclasses.field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        return self.text


class ReadQuery(NamedTuple):
    """A query as the model reads it.

    Attributes:
        ids: At least one token, and of each turn at most `max_length`, separators between the
            turns; a last turn without any token is one unknown token.
        is_cut: Whether the last turn has more than the model reads.
    """

    ids: list[int]
    is_cut: bool


class Attention(NamedTuple):
    """What the decoder attended to while it replied.

    Attributes:
        query_tokens: The query's S tokens.
        reply_tokens: The reply's tokens and the end token, T together.
        weights: `float32 [T, S]`, the share of its attention that each token of the reply gave to
            each token of the query; each row adds up to 1.
    """

    query_tokens: list[str]
    reply_tokens: list[str]
    weights: Any
