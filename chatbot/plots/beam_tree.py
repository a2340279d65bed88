"""A beam's tree as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chatbot.beam_tree import Branch, Node, format_probability, list_nodes
from chatbot.plots.canvas import BLUE, GREEN, GREY, INK, Draw, draw_picture, embed_picture
from chatbot.plots.labels import shorten, write_label
from chatbot.plots.tree_rows import place_rows
from chatbot.system.terminal import count_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LABEL, _TITLE = 16, 90  # columns
_ROW, _BOX = 0.44, 0.36  # inches from row to row, height of a box
_GAP, _MARGIN = 0.5, 0.14  # inches between columns, inside a box
_WIDE_EM = 0.62  # of a column, for signs whose font is on the reader's side


class _Column(NamedTuple):
    left: float
    width: float


def draw_beam_tree(
    path: str,
    tree: Sequence[Sequence[Branch]],
    title: str,
    best: tuple[int, int] | None = None,
) -> str:
    """Draws what a beam search kept and dropped, a column for each step.

    A box holds a token and the probability of all tokens up to it.

    Args:
        path: The file, `.png` or `.svg`.
        tree: The branches of every step.
        title: Written above the tree.
        best: Step and place of the best reply's last branch; see `list_nodes`.

    Returns:
        As `draw_picture` does.

    Raises:
        ChatbotError: The file cannot be written or is no picture's name.
        ValueError: It is no tree, or an empty one.
    """
    return draw_picture(path, _plan(tree, title, best))


def embed_beam_tree(
    tree: Sequence[Sequence[Branch]], title: str, best: tuple[int, int] | None = None
) -> str:
    """Draws what `draw_beam_tree` does as an `svg` element."""
    return embed_picture(_plan(tree, title, best))


def _plan(tree: Sequence[Sequence[Branch]], title: str, best: tuple[int, int] | None) -> Draw:
    """Checks and shortens what is drawn, and returns what draws it."""
    nodes = list_nodes(tree, best)
    if not nodes:
        raise ValueError("a tree needs at least one branch")
    labels = [write_label(node.branch.text, _LABEL) for node in nodes]
    heading = shorten(title, _TITLE)

    def draw(figure: Figure) -> None:
        columns = _place_columns(figure, nodes, labels)
        rows = place_rows(nodes) * _ROW + _ROW / 2
        height = float(rows.max()) + _ROW / 2
        axes = _open_axes(figure, columns, height)
        axes.text(
            0, height + 0.12, _explain(nodes, best is not None), fontsize=7, color=GREY, va="top"
        )
        for node, row in zip(nodes, rows):
            if node.parent is not None:
                start = rows[node.parent]
                _draw_edge(axes, node, columns[node.step - 1 : node.step + 1], start, row)
        for node, word, row in zip(nodes, labels, rows):
            _draw_box(axes, node, columns[node.step], row, word)
        if heading:
            axes.set_title(heading, loc="left")

    return draw


def _place_columns(figure: Figure, nodes: Sequence[Node], words: Sequence[str]) -> list[_Column]:
    """Returns a place for each step, wide enough for its widest label."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    widths = np.zeros(1 + max(node.step for node in nodes))
    for node, word in zip(nodes, words):
        for part, size in ((word, 9.0), (format_probability(node.branch.log_prob), 8.0)):
            text = figure.text(0, 0, part, fontsize=size, weight=_weigh(node))
            inches = text.get_window_extent(renderer).width / figure.dpi
            text.remove()
            inches = max(inches, count_columns(part) * size * _WIDE_EM / 72)
            widths[node.step] = max(widths[node.step], inches + _MARGIN)
    lefts = np.cumsum([0.0, *(widths[:-1] + _GAP)])
    return [_Column(float(left), float(width)) for left, width in zip(lefts, widths)]


def _weigh(node: Node) -> str:
    return "bold" if node.best else "normal"


def _open_axes(figure: Figure, columns: Sequence[_Column], height: float) -> Any:
    """Makes axes in inches, downwards from the upper left corner."""
    width = columns[-1].left + columns[-1].width
    figure.set_size_inches(width, height)
    axes: Any = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def _explain(nodes: Sequence[Node], is_best: bool) -> str:
    """Says what the lines and colours mean, as far as they occur."""
    ended = any(node.branch.ended and not node.best for node in nodes)
    dropped = not all(node.branch.kept for node in nodes)
    parts = ["solid: kept", *["dashed: dropped"] * dropped, *["green, double: ended"] * ended]
    return " · ".join([*parts, f"blue, thick: the {'best' if is_best else 'likeliest'} reply"])


def _choose_colour(node: Node) -> str:
    if node.best:
        return BLUE
    if node.branch.kept:
        return GREEN if node.branch.ended else INK
    return GREY


def _draw_edge(axes: Any, node: Node, columns: Sequence[_Column], start: float, end: float) -> None:
    """Draws a curve through the gap between two columns, where no boxes are."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    left, right = columns[0].left + columns[0].width, columns[1].left
    middle = (left + right) / 2
    points = [(left, start), (middle, start), (middle, end), (right, end)]
    curve = Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    axes.add_patch(
        PathPatch(
            curve,
            fill=False,
            edgecolor=_choose_colour(node),
            linewidth=2.2 if node.best else 0.9,
            linestyle="solid" if node.branch.kept else "dashed",
            clip_on=False,
        )
    )


def _draw_box(axes: Any, node: Node, column: _Column, row: float, word: str) -> None:
    colour, top = _choose_colour(node), row - _BOX / 2
    _add_frame(axes, node, (column.left, top, column.width, _BOX))
    if node.branch.ended:
        inner = (column.left + 0.03, top + 0.03, column.width - 0.06, _BOX - 0.06)
        _add_frame(axes, node, inner)
    middle = column.left + column.width / 2
    for text, size, shift in (
        (word, 9.0, -0.075),
        (format_probability(node.branch.log_prob), 8.0, 0.085),
    ):
        axes.text(
            middle,
            row + shift,
            text,
            fontsize=size,
            color=colour,
            weight=_weigh(node),
            ha="center",
            va="center",
        )


def _add_frame(axes: Any, node: Node, place: tuple[float, float, float, float]) -> None:
    from matplotlib.patches import FancyBboxPatch

    left, top, width, height = place
    axes.add_patch(
        FancyBboxPatch(
            (left, top),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="white",
            edgecolor=_choose_colour(node),
            linewidth=2.0 if node.best else 1.0,
            linestyle="solid" if node.branch.kept else "dashed",
            clip_on=False,
        )
    )
