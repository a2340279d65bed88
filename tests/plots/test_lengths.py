from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from chatbot.plots import embed_curves, embed_lengths

HOSTILE = '</svg><script>alert("x")</script>&amp; $x_1$ \x1b[2J\ufffe id="a"'
AXES = {"tokens, the end token not counted", "percent of the replies"}
REPORTS = [
    {"step": step, "perplexity": 1000.0 / step, "validation_perplexity": 2000.0 / step}
    for step in (1, 10, 100)
]


def read_lines(picture: str) -> dict[str, list[list[float]]]:
    """The lines of a picture without those of its legend: {colour and dashes: points}."""
    found: dict[str, list[list[float]]] = {}
    for path in ElementTree.fromstring(picture).iter("path"):
        style = re.sub(r"; stroke-linecap: \w+", "", path.get("style", ""))
        if "stroke-width: 1.4" in style and path.get("transform") is None:
            points = re.findall(r"[ML] (\S+) (\S+)", path.get("d", ""))
            found.setdefault(style, [[float(x), float(y)] for x, y in points])
    return found


def read_texts(picture: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(picture).iter("text")]


def test_lines_are_drawn_to_scale() -> None:
    picture = embed_lengths("t", {"a": [1, 1, 2, 3], "b": [0]})
    lines = read_lines(picture).values()
    (start, *_, end), (top, right) = lines
    origin, wide, high = start, right[0] - top[0], start[1] - top[1]
    shown = [[[(x - origin[0]) / wide, (origin[1] - y) / high] for x, y in line] for line in lines]
    a = [(0, 0), (1, 0.5), (2, 0.25), (3, 0.25), (4, 0)]
    for line, points in zip(shown, (a, [(0, 1), (1, 0)]), strict=True):
        assert np.array(line) == pytest.approx(np.array(points), abs=1e-3)
    assert end[0] > right[0] > 0 < high
    assert {"t", "a", "b", "0", "4", "100", *AXES} <= set(read_texts(picture))


def test_each_of_many_lines_has_its_look_and_the_legend_has_room() -> None:
    series = {f"s{number}": [number, number] for number in range(40)}
    picture = embed_lengths("t", series)
    assert len(read_lines(picture)) == 21
    height = float(re.findall(r'viewBox="0 0 \S+ (\S+)"', picture)[0])
    places = {
        element.text: float(element.get("y", "nan"))
        for element in ElementTree.fromstring(picture).iter("text")
    }
    legend = [places[name] for name in series]
    assert legend == sorted(legend)
    assert 0 < legend[0] < legend[-1] < height


@pytest.mark.parametrize("name", [HOSTILE, "_hidden", "", "你好", "w" * 500])
def test_any_name_is_text_and_nothing_else(name: str) -> None:
    for picture in (
        embed_lengths(name, {name: [0], "b": [1]}),
        embed_curves(name, REPORTS),
    ):
        tags = {element.tag for element in ElementTree.fromstring(picture).iter()}
        assert tags == {"svg", "g", "path", "text"}
        assert not re.search(r"https?:|url\(|href|<[^>]* id=|\x1b|\ufffe", picture)
    texts = set(read_texts(embed_lengths("t", {name: [0]}))) - AXES
    assert any(name[:6] in text for text in texts)
    assert max(map(len, texts)) <= 24


def test_a_training_is_drawn_under_its_name_or_not_at_all() -> None:
    picture = embed_curves("a model", REPORTS)
    assert {"a model", "training", "validation", "step", "100"} <= set(read_texts(picture))
    # Equal steps for equal factors.
    first, second, third = read_lines(picture)[next(iter(read_lines(picture)))]
    assert second[1] - first[1] == pytest.approx(third[1] - second[1], abs=0.1)
    for reports in ([], [{"step": 3}], [{"step": 3, "perplexity": math.nan}]):
        assert embed_curves("t", reports) == ""
