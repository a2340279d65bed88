"""Rows of the chat's output: replies one below the other, their numbers in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from chatbot.system.terminal import count_columns, make_visible, pad_columns

if TYPE_CHECKING:
    from chatbot.reply import Reply

MIN_WIDTH, MAX_WIDTH = 36, 72
"""Columns of the replies' texts; a longer text pushes its numbers to the right."""


class Part(NamedTuple):
    """A piece of a row.

    Attributes:
        style: "note", "label", "reply" or "numbers".
        text: Visible characters.
    """

    style: str
    text: str


Row = Sequence[Part]
"""One line of output."""


def note(text: str) -> Row:
    """Makes a row that is not a reply."""
    return [Part("note", make_visible(text))]


def lay_out(greedy: Reply, others: Sequence[Reply], kind: str = "beam") -> list[Row]:
    """Makes a row of each reply.

    Args:
        greedy: The greedy reply.
        others: The other search's replies, best first.
        kind: The name of that search.
    """
    labels = ["greedy", *(f"{kind} {place}" for place in range(1, len(others) + 1))]
    texts = [make_visible(reply.text) or "(nothing)" for reply in (greedy, *others)]
    label_width = max(len(label) for label in labels)
    width = min(MAX_WIDTH, max(MIN_WIDTH, *(count_columns(text) for text in texts)))
    log_probs = _align([greedy.log_prob, *(reply.log_prob for reply in others)])
    scores = ["", *(f"  score {score}" for score in _align([reply.score for reply in others]))]
    return [
        [
            Part("label", f"{label:{label_width}}  "),
            Part("reply", pad_columns(text, width)),
            Part("numbers", f"  log_prob {log_prob}{score}"),
        ]
        for label, text, log_prob, score in zip(labels, texts, log_probs, scores)
    ]


def _align(numbers: Sequence[float]) -> list[str]:
    written = [f"{round(number, 2) + 0.0:.2f}" for number in numbers]  # + 0.0: no -0.00
    width = max(map(len, written), default=0)
    return [text.rjust(width) for text in written]
