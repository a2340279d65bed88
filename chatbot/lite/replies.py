"""From hypotheses to replies."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType

from chatbot.errors import ChatbotError
from chatbot.lite.copying import Copies
from chatbot.lite.hypotheses import Hypotheses
from chatbot.reply import Reply
from chatbot.text import Vocabulary

LIKELY = -1e30
"""A hypothesis with a log probability below this is an empty place in the beam."""


Decode = Callable[[Iterable[int]], list[str]]


def write_replies(
    found: Hypotheses,
    vocabulary: Vocabulary,
    copies: Copies = MappingProxyType({}),
    decoders: Sequence[Decode] | None = None,
) -> list[list[Reply]]:
    """Turns hypotheses into replies, best first.

    Args:
        found: What a search has found, as arrays.
        vocabulary: The model's.
        copies: What to say in place of unknown tokens.
        decoders: Each query's words of ids; None for the vocabulary's.

    Returns:
        At least one reply for each query, no two with the same text.

    Raises:
        ChatbotError: There is none for a query.
    """
    answers = []
    for query, row in enumerate(zip(*found[:4])):
        ranked: dict[str, Reply] = {}
        decode = vocabulary.decode if decoders is None else decoders[query]
        for place, (ids, length, log_prob, score) in enumerate(zip(*row)):
            if log_prob > LIKELY:
                copied = copies.get((query, place), {})
                tokens = decode(ids[:length])
                made = Reply("", float(log_prob), float(score), tuple(tokens), copied)
                text = vocabulary.write(made.words)
                ranked.setdefault(text, dataclasses.replace(made, text=text))
        if not ranked:
            raise ChatbotError(
                "there is no reply: either --min_reply_length and --no_repeat_ngram leave "
                "none, or the model's weights are not numbers and it must be trained again"
            )
        answers.append(list(ranked.values()))
    return answers
