from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from chatbot.plots import draw_curves
from chatbot.settings.config import Config
from chatbot.storage.reports import read_reports
from chatbot.system.stopping import StopRequest
from chatbot.training import job as run
from chatbot.training.audience import Audience
from chatbot.training.distribution import Distribution
from chatbot.training.run import train_directory
from tests.trainings import StopAfter, tiny_settings, write_pairs

Report = dict[str, Any]
Panels = Callable[[], dict[str, Any]]


def make_report(step: int, **changes: Any) -> Report:
    report = {
        "step": step,
        "perplexity": 3000 / step,
        "validation_perplexity": 2500 / step + 9,
        "learning_rate": 1e-3,
        "tokens_per_second": 1400.5,
    }
    return {**report, **changes}


@pytest.fixture
def lines(figures: list[Any]) -> Panels:
    """Returns the panels of the last picture: {its name: its axes}."""
    return lambda: {axes.get_ylabel(): axes for axes in figures[-1].axes}


def read_points(axes: Any) -> dict[str, list[tuple[float, float]]]:
    return {line.get_label(): [tuple(point) for point in line.get_xydata()] for line in axes.lines}


def test_every_figure_stands_at_its_step(tmp_path: Path, lines: Panels) -> None:
    reports = [make_report(step) for step in (1, 10, 100)]
    draw_curves(str(tmp_path / "curves.png"), reports)
    assert (tmp_path / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert read_points(lines()["perplexity"]) == {
        "training": [(1, 3000), (10, 300), (100, 30)],
        "validation": [(1, 2509), (10, 259), (100, 34)],
    }
    assert lines()["perplexity"].get_yscale() == "log"
    assert lines()["perplexity"].get_title("left") == "best validation perplexity 34 at step 100"
    assert read_points(lines()["learning rate"]) == {
        "learning rate": [(1, 1e-3), (10, 1e-3), (100, 1e-3)]
    }
    assert lines()["tokens a second"].get_ylim() == (0.0, pytest.approx(1.1 * 1400.5))


def test_unseen_pairs_have_a_curve_and_the_title(tmp_path: Path, lines: Panels) -> None:
    unseen = {1: 40.0, 10: 30.0, 100: 35.0}
    reports = [make_report(n, validation_perplexity_unseen=value) for n, value in unseen.items()]
    draw_curves(str(tmp_path / "curves.png"), [*reports, make_report(1000)])
    points = read_points(lines()["perplexity"])
    assert points["validation, unseen pairs"] == list(unseen.items())
    assert len(points["validation"]) == 4
    title = lines()["perplexity"].get_title("left")
    assert title == "best validation perplexity of unseen pairs 30 at step 10"


def test_figures_of_one_size_stand_on_a_plain_axis(tmp_path: Path, lines: Panels) -> None:
    draw_curves(str(tmp_path / "a.png"), [make_report(1), make_report(2)])
    assert lines()["perplexity"].get_yscale() == "linear"
    draw_curves(str(tmp_path / "a.svg"), [make_report(1)])
    texts = {element.text for element in ElementTree.parse(tmp_path / "a.svg").iter()}
    assert {"training", "validation", "perplexity", "learning rate", "tokens a second"} <= texts


@pytest.mark.parametrize(
    ("reports", "points"),
    [
        ([], {}),
        ([{"step": 3}], {}),
        ([{"step": 3, "perplexity": 7.0}], {"training": [(3, 7)]}),
        ([{"perplexity": 7.0}, {"step": 4, "perplexity": "7"}], {}),
        ([{"step": 10**400, "perplexity": 7.0}], {}),
        ([make_report(1, perplexity=math.e**700)], None),
        ([make_report(1, perplexity=math.nan, validation_perplexity=math.inf)], None),
        ([make_report(n, perplexity=10.0 ** (n * 7)) for n in range(1, 5)], None),
        ([make_report(1, perplexity=0.0), make_report(2, perplexity=-1.0)], None),
    ],
)
def test_odd_reports_are_drawn_as_far_as_they_go(
    tmp_path: Path, lines: Panels, reports: Sequence[Report], points: Any
) -> None:
    draw_curves(str(tmp_path / "curves.png"), reports)
    if points is not None:
        assert read_points(lines()["perplexity"]) == points
    drawn = read_points(lines()["perplexity"]).get("training", [])
    assert all(0 <= value < 1e30 for _, value in drawn if not math.isnan(value))


def test_equal_reports_make_equal_pictures(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw_curves(str(tmp_path / name), [make_report(step) for step in range(1, 60)])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_reports_are_read_except_half_lines(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_reports(path) == []
    path.write_bytes(b'{"step": 1, "loss": NaN}\n{"st\n[1]\n{"step": 2}\n\xff\n{"step"')
    first, second = read_reports(path)
    assert math.isnan(first["loss"])
    assert second == {"step": 2}


def test_a_training_leaves_its_curves_at_its_end_and_when_stopped(
    tmp_path: Path, lines: Panels
) -> None:
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv"), max_steps=4)
    model = tmp_path / "model"
    stop = StopAfter(lambda: (model / "metrics.jsonl").exists())
    encoded = str(tmp_path / "encoded")
    assert train_directory(str(model), settings, encoded, stop) == 0
    assert [step for step, _ in read_points(lines()["perplexity"])["training"]] == [2]
    stopped = (model / "curves.png").read_bytes()
    assert train_directory(str(model), {}, encoded) == 0
    assert [step for step, _ in read_points(lines()["perplexity"])["training"]][-1] == 4
    assert (model / "curves.png").read_bytes() != stopped
    assert not list(model.glob(".writing-*"))


class NoReports:
    """A model directory, as far as drawing goes."""

    def __init__(self, path: Path) -> None:
        self.path, self.metrics_path = path, path / "metrics.jsonl"


@pytest.fixture
def drawn(tmp_path: Path) -> Any:
    """Draws the curves of a directory with one report."""
    (tmp_path / "metrics.jsonl").write_text(json.dumps(make_report(1)) + "\n", encoding="utf-8")
    directory: Any = NoReports(tmp_path)
    return lambda stop: run.draw_reports(
        run.Job(directory, Config(), "", stop, Audience(), Distribution())
    )


def test_a_training_without_reports_leaves_no_picture(tmp_path: Path, drawn: Any) -> None:
    (tmp_path / "metrics.jsonl").unlink()
    drawn(StopRequest())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [ImportError("no matplotlib\nhere"), MemoryError(), OSError(28, "No space left on device")],
)
def test_a_picture_that_fails_is_one_line_and_no_more(
    drawn: Any, error: Exception, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(run, "draw_curves", fail)
    drawn(StopRequest())
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("the training's curves were not drawn (")


def test_a_place_that_cannot_be_written_is_one_line_and_no_more(
    tmp_path: Path, drawn: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "curves.png").symlink_to("/dev/full")
    drawn(StopRequest())
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line


def test_signals_while_drawing_end_in_no_traceback(
    drawn: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("chatbot.system.stopping.IMPATIENCE", -1.0)
    signals = []

    def draw(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            signals.append(number)
            signal.raise_signal(number)

    monkeypatch.setattr(run, "draw_curves", draw)
    before = signal.getsignal(signal.SIGINT)
    drawn(StopRequest())
    assert len(signals) == 3  # the first was noted, the last meant it
    assert capsys.readouterr().err == "the training's curves were not drawn (KeyboardInterrupt)\n"
    assert signal.getsignal(signal.SIGINT) == before
