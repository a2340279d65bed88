from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from chatbot.plots import embed_curves, embed_lines

HOSTILE = '</svg><script>alert("x")</script>&amp; $x_1$ \x1b[2J\ufffe id="a"'
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
    picture = embed_lines(
        "t", {"a": [(0, 0), (1, 5), (4, 10)], "b": [(2, 2.5), (4, 0)]}, ("x", "y")
    )
    (first, middle, last), (alone, end) = read_lines(picture).values()
    assert last[0] > middle[0] > first[0]
    assert middle[0] - first[0] == pytest.approx((last[0] - first[0]) / 4, abs=0.1)
    assert first[1] - middle[1] == pytest.approx(middle[1] - last[1], abs=0.1)
    assert first[1] - alone[1] == pytest.approx((first[1] - last[1]) / 4, abs=0.1)
    assert end == pytest.approx([last[0], first[1]], abs=0.1)
    assert {"t", "x", "y", "a", "b", "0", "2", "4", "10"} <= set(read_texts(picture))


def test_each_of_many_lines_has_its_look_and_the_legend_has_room() -> None:
    series = {f"s{number}": [(0, 1), (1, 2 + number)] for number in range(40)}
    picture = embed_lines("t", series, ("x", "y"))
    assert len(read_lines(picture)) == 21
    height = float(re.findall(r'viewBox="0 0 \S+ (\S+)"', picture)[0])
    places = {
        element.text: float(element.get("y", "nan"))
        for element in ElementTree.fromstring(picture).iter("text")
    }
    legend = [places[name] for name in series]
    assert legend == sorted(legend)
    assert 0 < legend[0] < legend[-1] < height


def test_one_point_is_a_mark() -> None:
    picture = embed_lines("t", {"a": [(7, 3)]}, ("x", "y"))
    marks = [
        path for path in ElementTree.fromstring(picture).iter("path") if "C" in path.attrib["d"]
    ]
    assert {mark.get("transform") is None for mark in marks} == {False}
    assert len(marks) == 2  # the point's and the legend's


@pytest.mark.parametrize("name", [HOSTILE, "_hidden", "", "你好", "w" * 500])
def test_any_name_is_text_and_nothing_else(name: str) -> None:
    for picture in (
        embed_lines(name, {name: [(0, 1)], "b": [(1, 2)]}, ("x", "y")),
        embed_curves(name, REPORTS),
    ):
        tags = {element.tag for element in ElementTree.fromstring(picture).iter()}
        assert tags == {"svg", "g", "path", "text"}
        assert not re.search(r"https?:|url\(|href|<[^>]* id=|\x1b|\ufffe", picture)
    texts = read_texts(embed_lines("t", {name: [(0, 1)]}, ("x", "y")))
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
