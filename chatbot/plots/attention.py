"""What the decoder attended to while it wrote: a heat map of reply against query."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chatbot.plots.canvas import PALE, Draw, draw_picture, embed_picture
from chatbot.plots.labels import check_weights, shorten, write_label
from chatbot.system.terminal import count_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LABEL = 20  # columns
_CELL, _SMALL_CELL = 0.3, 0.1  # inches
_WISHED_SIDE, _LONGEST_SIDE = 24.0, 60.0  # inches
_LINES, _TITLE = 4, 45  # lines, columns
_WIDER_EM = 0.4  # by which a Chinese sign is wider than the box that stands for it


def draw_attention(
    path: str,
    query_tokens: Sequence[str],
    reply_tokens: Sequence[str],
    weights: NDArray[np.float32],
    title: str,
) -> str:
    """Draws attention weights as a heat map, a row for each token of the reply.

    Args:
        path: The file, `.png` or `.svg`.
        query_tokens: S tokens, the columns.
        reply_tokens: T tokens, the rows, with the end token if it was written.
        weights: `float32 [T, S]`, from 0 to 1.
        title: Up to 4 lines above the map.

    Returns:
        As `draw_picture` does.

    Raises:
        ChatbotError: The file cannot be written or is no picture's name.
        ValueError: Tokens and weights do not fit.
    """
    return draw_picture(path, _plan(query_tokens, reply_tokens, weights, title))


def embed_attention(
    query_tokens: Sequence[str],
    reply_tokens: Sequence[str],
    weights: NDArray[np.float32],
    title: str = "",
) -> str:
    """Draws attention weights, given as in `draw_attention`, as an `svg` element."""
    return embed_picture(_plan(query_tokens, reply_tokens, weights, title))


def _plan(
    query_tokens: Sequence[str],
    reply_tokens: Sequence[str],
    weights: NDArray[np.float32],
    title: str,
) -> Draw:
    """Checks and shortens what is drawn, and returns what draws it."""
    values = check_weights(query_tokens, reply_tokens, weights)
    columns = [write_label(token, _LABEL) for token in query_tokens]
    rows = [write_label(token, _LABEL) for token in reply_tokens]
    cell = _choose_cell(max(values.shape))
    room = max(_TITLE, int(len(columns) * cell / 0.09))
    lines = [shorten(line, room) for line in title.splitlines()[:_LINES]]

    def draw(figure: Figure) -> None:
        from matplotlib import colormaps

        height, width = (cell * number for number in values.shape)
        figure.set_size_inches(width, height)
        axes: Any = figure.add_axes((0.0, 0.0, 1.0, 1.0))  # labels may stand outside of the figure
        axes.grid(visible=False)
        colours = colormaps["viridis"].with_extremes(bad=PALE)
        image = axes.imshow(values, cmap=colours, vmin=0.0, vmax=1.0, aspect="auto")
        _label_axes(axes, columns, rows, cell)
        axes.set_title("\n".join(lines), loc="left", pad=10)
        tall = max(height, 1.0)  # inches of the bar, or its numbers would not fit
        place = (1 + 0.15 / width, 1 - tall / height, 0.12 / width, tall / height)
        bar = figure.colorbar(image, cax=figure.add_axes(place), ticks=[0.0, 0.5, 1.0])
        bar.set_label("weight")

    return draw


def _choose_cell(tokens: int) -> float:
    """Returns the side of a cell in inches: smaller where the tokens are many."""
    return min(_CELL, max(_SMALL_CELL, _WISHED_SIDE / tokens), _LONGEST_SIDE / tokens)


def _label_axes(axes: Any, columns: list[str], rows: list[str], cell: float) -> None:
    size = max(5.0, 30 * cell)  # points
    every = math.ceil(_SMALL_CELL / cell - 1e-9)  # where cells are too small for a label each
    upright = max(map(len, columns)) == 1
    rotation = {} if upright else {"rotation": 90}
    axes.set_xticks(range(0, len(columns), every), labels=columns[::every], **rotation)
    axes.set_yticks(range(0, len(rows), every), labels=rows[::every])
    axes.tick_params(labelsize=size, length=2, top=True, labeltop=True)
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("query", labelpad=_pad_label(columns, size))
    axes.set_ylabel("reply", labelpad=_pad_label(rows, size))


def _pad_label(ticks: list[str], size: float) -> float:
    """Returns points from ticks to their axis' label, with room for signs of the reader's fonts."""
    wide = max(count_columns(tick) - len(tick) for tick in ticks)
    return 4 + max(wide, 0) * size * _WIDER_EM
