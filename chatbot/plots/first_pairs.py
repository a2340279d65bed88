"""A first look at a corpus for a person: its first pairs."""

from __future__ import annotations

from collections.abc import Sequence

from chatbot.plots.labels import shorten

_ARROW = "  ->  "
_INDENT = "  "


def show_first_pairs(pairs: Sequence[Sequence[str]], width: int) -> str:
    """Writes pairs one below the other.

    Args:
        pairs: `(query, reply)` texts, any at all.
        width: Columns of the terminal.

    Returns:
        A heading and a line for each pair, none wider than the terminal if that has 20 columns.
    """
    room = max(2, width - len(_INDENT) - len(_ARROW))
    lines = ["the first pairs:"]
    for query, reply in pairs:
        left = shorten(" ".join(query.split()), room // 2)
        lines.append(f"{_INDENT}{left}{_ARROW}{shorten(' '.join(reply.split()), room - room // 2)}")
    return "\n".join(lines)
