"""The first pairs of a corpus, for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence

from chatbot.plots.labels import shorten

_ARROW = "  ->  "
_INDENT = "  "


def show_first_pairs(pairs: Sequence[Sequence[str]], width: int) -> str:
    """Writes a heading and a line for each pair, none wider than a terminal of 20 columns."""
    room = max(2, width - len(_INDENT) - len(_ARROW))
    lines = ["the first pairs:"]
    for query, reply in pairs:
        left = shorten(" ".join(query.split()), room // 2)
        lines.append(f"{_INDENT}{left}{_ARROW}{shorten(' '.join(reply.split()), room - room // 2)}")
    return "\n".join(lines)
