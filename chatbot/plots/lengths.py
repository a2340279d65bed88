"""How many of some replies have how many tokens, a line for each search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chatbot.plots.canvas import embed_picture
from chatbot.plots.labels import shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = "#0072b2 #d55e00 #009e73 #cc79a7 #56b4e9 #e69f00 #000000".split()
"""Told apart by the colour-blind too (Okabe and Ito 2008)."""
_DASHES = ("solid", "dashed", "dotted")
_NAME, _TITLE = 24, 90  # columns
_WIDTH, _HEIGHT, _ENTRY = 5.6, 2.9, 0.2  # inches: the axes, a line of the legend


def embed_lengths(title: str, lengths: Mapping[str, Sequence[int]]) -> str:
    """Draws, as an `svg` element, how long each search's replies are.

    Args:
        title: Written above the lines.
        lengths: {search: the tokens of each of its replies}, at least one reply each.
    """

    def draw(figure: Figure) -> None:
        from matplotlib.ticker import MaxNLocator

        figure.set_size_inches(_WIDTH, max(_HEIGHT, _ENTRY * len(lengths)))
        axes: Any = figure.add_axes((0.0, 0.0, 1.0, 1.0))  # labels may stand outside of the figure
        lines = []
        for number, found in enumerate(lengths.values()):
            counts = Counter(found)
            tokens = range(max(counts) + 2)
            lines += axes.plot(
                tokens,
                [100 * counts[count] / len(found) for count in tokens],
                color=_COLOURS[number % len(_COLOURS)],
                linestyle=_DASHES[number // len(_COLOURS) % len(_DASHES)],
                linewidth=1.4,
                marker="o",
                markersize=2.5,
            )
        axes.set_ylim(bottom=0.0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="tokens, the end token not counted", ylabel="percent of the replies")
        axes.set_title(shorten(title, _TITLE), loc="left", weight="bold")
        legend = axes.legend(lines, ["name"] * len(lines), loc="upper left", bbox_to_anchor=(1, 1))
        for text, name in zip(legend.get_texts(), lengths):  # `legend` drops names like "_x"
            text.set_text(shorten(name, _NAME))

    return embed_picture(draw)
