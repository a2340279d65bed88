"""Lines over two axes as SVG that a page holds by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import NamedTuple

from chatbot.plots.labels import shorten

WIDTH, HEIGHT = 720, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 180, 34, 44
ENTRY = 16
"""Height of a line of the legend, which makes the picture higher where there are many."""
COLOURS = "#0072b2 #d55e00 #009e73 #cc79a7 #56b4e9 #e69f00 #000000".split()
"""Told apart by the colour-blind too (Okabe and Ito 2008)."""
LONGEST_NAME = 24  # columns that a legend has room for
DASHES = ("none", "6 3", "2 2")
_STEPS = (1.0, 2.0, 5.0, 10.0)
_TICKS = 5

Points = Sequence[tuple[float, float]]


class _Axis(NamedTuple):
    """Maps values to places on the picture.

    Attributes:
        low: The smallest value.
        high: The greatest.
        is_log: Whether equal steps are equal factors.
        begin: Where `low` is.
        end: Where `high` is.
    """

    low: float
    high: float
    is_log: bool
    begin: float
    end: float

    def place(self, value: float) -> float:
        """Returns where a value is."""
        scale: Callable[[float], float] = math.log if self.is_log else float
        low, high = scale(self.low), scale(self.high)
        return self.begin + (self.end - self.begin) * (scale(value) - low) / (high - low)

    def list_ticks(self) -> list[float]:
        """Returns round values between the ends, a handful of them."""
        if self.is_log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = _STEPS[:3] if len(powers) < _TICKS else _STEPS[:1]
            ticks = [step * 10.0**power for power in powers for step in steps]
        else:
            rough = (self.high - self.low) / _TICKS
            power = 10.0 ** math.floor(math.log10(rough))
            step = next(power * step for step in _STEPS if power * step >= rough * (1 - 1e-9))
            first = math.ceil(self.low / step)
            ticks = [step * (first + number) for number in range(2 * _TICKS + 1)]
        return [tick for tick in ticks if self.low <= tick <= self.high]


def draw_lines(
    title: str, series: Mapping[str, Points], labels: tuple[str, str], is_log: bool = False
) -> str:
    """Draws lines with a legend.

    Args:
        title: What is drawn.
        series: {name: its points (x, y), in the order of x}; points that are not finite, or not
            above 0 where the axis is logarithmic, are left out.
        labels: What x and y are.
        is_log: Whether y is logarithmic.

    Returns:
        An `svg` element, or an empty text where no point is left.
    """
    kept = {
        name: [(x, y) for x, y in points if _is_drawable(x, y, is_log)]
        for name, points in series.items()
    }
    kept = {name: points for name, points in kept.items() if points}
    if not kept:
        return ""
    every = [point for points in kept.values() for point in points]
    xs, ys = ([point[side] for point in every] for side in (0, 1))
    x_axis = _make_axis(xs, False, LEFT, WIDTH - RIGHT)
    bottom = max(HEIGHT - BOTTOM, TOP + ENTRY * (len(kept) + 1))
    y_axis = _make_axis(ys if is_log else [0.0, *ys], is_log, bottom, TOP)
    parts = [_write(LEFT, 20, title, "start", "title"), *_draw_axes(x_axis, y_axis, labels)]
    for number, (name, points) in enumerate(kept.items()):
        parts += _draw_series(number, name, points, x_axis, y_axis)
    height = bottom + BOTTOM
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'<svg role="img" {size}>{"".join(parts)}</svg>'


def _is_drawable(x: float, y: float, is_log: bool) -> bool:
    return math.isfinite(x) and math.isfinite(y) and (y > 0 or not is_log)


def _make_axis(values: Sequence[float], is_log: bool, begin: float, end: float) -> _Axis:
    low, high = min(values), max(values)
    if low == high:  # a single value goes in the middle
        low, high = (low / 2, high * 2) if is_log else (low - 1, high + 1)
    return _Axis(low, high, is_log, begin, end)


def _draw_axes(x_axis: _Axis, y_axis: _Axis, labels: tuple[str, str]) -> list[str]:
    parts = []
    for tick in x_axis.list_ticks():
        x = x_axis.place(tick)
        parts.append(_draw_line(x, TOP, x, y_axis.begin))
        parts.append(_write(x, y_axis.begin + 16, f"{tick:,g}", "middle"))
    for tick in y_axis.list_ticks():
        y = y_axis.place(tick)
        parts.append(_draw_line(LEFT, y, WIDTH - RIGHT, y))
        parts.append(_write(LEFT - 6, y + 4, f"{tick:,g}", "end"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_write(middle, y_axis.begin + BOTTOM - 8, labels[0], "middle"))
    parts.append(_write(WIDTH - RIGHT, 20, labels[1], "end"))
    return parts


def _draw_series(number: int, name: str, points: Points, x_axis: _Axis, y_axis: _Axis) -> list[str]:
    colour = COLOURS[number % len(COLOURS)]
    dash = DASHES[number // len(COLOURS) % len(DASHES)]
    style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
    places = [(x_axis.place(x), y_axis.place(y)) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    x, y = places[-1]
    key = TOP + 10 + ENTRY * number
    begin = WIDTH - RIGHT + 10
    return [
        f'<polyline points="{path}" {style}/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>',
        f'<polyline points="{begin},{key} {begin + 22},{key}" {style}/>',
        _write(begin + 28, key + 4, shorten(name, LONGEST_NAME), "start"),
    ]


def _draw_line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>'


def _write(x: float, y: float, text: str, anchor: str, kind: str = "label") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}"'
    return f"<text {place}>{escape(text)}</text>"
