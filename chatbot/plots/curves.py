"""How a training went: perplexity, learning rate and speed against steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from chatbot.plots.canvas import BLUE, GREEN, GREY, ORANGE, draw_picture, embed_picture
from chatbot.plots.labels import shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 1e30
"""Larger figures are those of a training that went astray, and no axis can hold them."""
_FEW = 40  # points that are marked each
_TITLE = 90  # columns
_PERPLEXITIES = {
    "perplexity": (BLUE, "training"),
    "validation_perplexity": (ORANGE, "validation"),
    "validation_perplexity_unseen": (GREEN, "validation, unseen pairs"),
}
_OF_WORDS = {name.replace("perplexity", "word_perplexity"): name for name in _PERPLEXITIES}
"""{figure a word: the same a token}; drawn, dashed, where words are not tokens."""


def draw_curves(path: str, reports: Sequence[Mapping[str, Any]]) -> str:
    """Draws a training's curves.

    Args:
        path: The file, `.png` or `.svg`.
        reports: The objects of metrics.jsonl. A figure that is missing, not a number, infinite or
            above 1e30 leaves a gap.

    Raises:
        ChatbotError: The file cannot be written or is no picture's name.
    """
    return draw_picture(path, partial(_draw_panels, reports=reports))


def embed_curves(title: str, reports: Sequence[Mapping[str, Any]]) -> str:
    """Draws the curves as an `svg` element, or as nothing where there is no perplexity."""
    points = [point for key in _PERPLEXITIES for point in _find_points(reports, key)]
    if all(math.isnan(value) for _, value in points):
        return ""

    def draw(figure: Figure) -> None:
        _draw_panels(figure, reports)
        left = figure.subplotpars.left
        figure.suptitle(shorten(title, _TITLE), x=left, y=0.96, ha="left", weight="bold")

    return embed_picture(draw)


def _draw_panels(figure: Figure, reports: Sequence[Mapping[str, Any]]) -> None:
    figure.set_size_inches(8.0, 5.6)
    grid = figure.add_gridspec(2, 2, height_ratios=[2.2, 1.0], hspace=0.32, wspace=0.34)
    main = figure.add_subplot(grid[0, :])
    _draw_perplexities(main, reports)
    for place, key, colour, label in (
        (0, "learning_rate", GREEN, "learning rate"),
        (1, "tokens_per_second", GREY, "tokens a second"),
    ):
        axes = figure.add_subplot(grid[1, place], sharex=main)
        points = _plot(axes, reports, key, colour, label)
        highest = max((value for _, value in points if value > 0), default=1.0)
        axes.set_ylim(0.0, 1.1 * highest)
        _name_axes(axes, label)


def _draw_perplexities(axes: Any, reports: Sequence[Mapping[str, Any]]) -> None:
    drawn, validation, unseen = (
        _plot(axes, reports, key, colour, label) for key, (colour, label) in _PERPLEXITIES.items()
    )
    of_words = _draw_words(axes, reports)
    points = (*drawn, *validation, *unseen, *of_words)
    finite = [value for _, value in points if not math.isnan(value)]
    if finite and max(finite) >= 10 * min(finite):
        _scale_log(axes, max(finite) / max(min(finite), 1.0))
    _name_axes(axes, "perplexity")
    if finite:
        axes.legend(loc="upper right")
    # The same as decides which checkpoint is best.
    measured = [pair for pair in unseen or validation if not math.isnan(pair[1])]
    if measured:
        step, best = min(measured, key=lambda pair: pair[1])
        what = "best validation perplexity" + (" of unseen pairs" if unseen else "")
        axes.set_title(f"{what} {best:,.4g} at step {step:,}", loc="left")


def _draw_words(axes: Any, reports: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """Draws the perplexities a word where they differ from those a token; returns their points."""
    points = []
    for key, other in _OF_WORDS.items():
        if any(report.get(key, report.get(other)) != report.get(other) for report in reports):
            colour, label = _PERPLEXITIES[other]
            points += _plot(axes, reports, key, colour, f"{label}, a word", linestyle="dashed")
    return points


def _plot(
    axes: Any,
    reports: Sequence[Mapping[str, Any]],
    key: str,
    colour: str,
    label: str,
    **style: Any,
) -> list[tuple[int, float]]:
    """Draws one figure of the reports and returns its points, NaN where it cannot be drawn."""
    points = _find_points(reports, key)
    if points:
        if len(points) <= _FEW:
            style.update(marker="o", markersize=3.5)
        axes.plot(*zip(*points), color=colour, label=label, linewidth=1.4, **style)
    return points


def _find_points(reports: Sequence[Mapping[str, Any]], key: str) -> list[tuple[int, float]]:
    return [
        (report["step"], _clean(report[key]))
        for report in reports
        if _is_number(report.get(key))
        and isinstance(report.get("step"), int)
        and abs(report["step"]) < _MOST
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _clean(value: float) -> float:
    return float(value) if 0 <= value < _MOST else math.nan


def _scale_log(axes: Any, ratio: float) -> None:
    """Makes an axis logarithmic, with numbers as close as the values' ratio allows."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log", nonpositive="mask")
    axes.yaxis.set_major_locator(
        LogLocator(subs=(1.0, 2.0, 5.0) if ratio < 1e3 else (1.0,), numticks=12)
    )
    axes.yaxis.set_minor_formatter(NullFormatter())


def _write_number(value: float, _: object) -> str:
    return f"{value:,.6g}"


def _name_axes(axes: Any, label: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_ylabel(label)
    axes.yaxis.set_major_formatter(FuncFormatter(_write_number))
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(_write_number))
