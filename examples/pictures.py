"""Pictures of attention over words and over images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chatbot.plots.canvas import BLUE, ORANGE, draw_picture
from chatbot.system.notices import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIGN, _LINE = 0.075, 0.3  # inches


def draw_texts(
    path: str, titles: Sequence[str], texts: Sequence[Sequence[str]], weights: Any
) -> None:
    """Draws texts line by line, each word the darker the more it weighs in its text.

    Args:
        path: The file, `.png` or `.svg`.
        titles: What stands before each text.
        texts: The words of each text.
        weights: `float32 [texts, S]`, those of each text's words first.

    Raises:
        ChatbotError: The file cannot be written or is no picture's name.
    """

    def draw(figure: Figure) -> None:
        height = _LINE * len(texts)
        figure.set_size_inches(9.0, height)
        axes: Any = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, 9), ylim=(-height, 0))
        axes.set_axis_off()
        for row, (title, words, shares) in enumerate(zip(titles, texts, weights)):
            x, y = 0.6, -_LINE * (row + 0.5)
            axes.text(0, y, title, va="center", weight="bold")
            for word, share in zip(words, shares / shares.max()):
                box = {"boxstyle": "round,pad=0.2", "fc": (*_rgb(ORANGE), share), "ec": "none"}
                axes.text(x, y, word, va="center", family="DejaVu Sans Mono", bbox=box)
                x += _SIGN * (len(word) + 1.5)

    _show(draw_picture(path, draw))


def draw_maps(
    path: str, images: Any, maps: Any, titles: Sequence[str], boxes: Sequence[Any] = ()
) -> None:
    """Draws images side by side, and under each of them its attention.

    Args:
        path: The file, `.png` or `.svg`.
        images: `float32 [N, H, W]`, from 0 to 1.
        maps: `float32 [N, H', W']`, the weights.
        titles: What stands above each image.
        boxes: For each image a box to draw, left, top, right and bottom in pixels; or none.

    Raises:
        ChatbotError: The file cannot be written or is no picture's name.
    """

    def draw(figure: Figure) -> None:
        figure.set_size_inches(1.2 * len(images), 2.7)
        axes = figure.subplots(2, len(images), squeeze=False)
        for place, (image, weights) in enumerate(zip(images, maps)):
            above, below = axes[:, place]
            above.imshow(image, cmap="Greys", vmin=0.0, vmax=1.0)
            above.set_title(titles[place])
            below.imshow(weights, cmap="viridis", vmin=0.0)
            for left, top, right, bottom in boxes[place : place + 1]:
                _outline(above, left, top, right, bottom)
            for part in (above, below):
                part.set_axis_off()

    _show(draw_picture(path, draw))


def _outline(axes: Any, left: float, top: float, right: float, bottom: float) -> None:
    x, y = [left, right, right, left, left], [top, top, bottom, bottom, top]
    axes.plot(np.array(x) - 0.5, np.array(y) - 0.5, color=BLUE)


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))


def _show(advice: str) -> None:
    if advice:
        say(advice)
