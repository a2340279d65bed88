"""From hypotheses to replies."""

from __future__ import annotations

from chatbot.errors import ChatbotError
from chatbot.lite.hypotheses import Hypotheses
from chatbot.reply import Reply
from chatbot.text import Vocabulary

LIKELY = -1e30
"""A hypothesis with a log probability below this is an empty place in the beam."""


def write_replies(found: Hypotheses, vocabulary: Vocabulary) -> list[list[Reply]]:
    """Turns hypotheses into replies, best first.

    Args:
        found: What a search has found, as arrays.
        vocabulary: The model's.

    Returns:
        At least one reply for each query, no two with the same text.

    Raises:
        ChatbotError: There is none for a query.
    """
    answers = []
    for row in zip(*found[:4]):
        ranked: dict[str, Reply] = {}
        for ids, length, log_prob, score in zip(*row):
            if log_prob > LIKELY:
                tokens = vocabulary.decode(ids[:length])
                text = vocabulary.write(tokens)
                made = Reply(text, float(log_prob), float(score), tuple(tokens))
                ranked.setdefault(made.text, made)
        if not ranked:
            raise ChatbotError(
                "there is no reply: either --min_reply_length and --no_repeat_ngram leave "
                "none, or the model's weights are not numbers and it must be trained again"
            )
        answers.append(list(ranked.values()))
    return answers
