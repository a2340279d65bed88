"""How fast a training goes, by a clock that the tests turn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chatbot.text import tokenize
from chatbot.training.computation import Computation
from chatbot.training.pace import LEFT_OUT, Pace, make_bar
from chatbot.training.progress import Progress, restore_progress
from chatbot.training.trainer import Trainer
from tests.trainings import PAIRS, tiny_settings, train, write_pairs


class Clock:
    """Stands still until somebody turns it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("chatbot.training.pace.time", made)
    return made


def step(pace: Pace, clock: Clock, seconds: float, tokens: int) -> None:
    clock.now += seconds
    pace.add(tokens)


def test_first_steps_and_pauses_are_left_out(clock: Clock) -> None:
    pace = Pace()
    pace.resume()
    for _ in range(LEFT_OUT):
        assert pace.tokens_per_second is None
        step(pace, clock, 90.0, 10)
    assert pace.tokens_per_second is None
    step(pace, clock, 2.0, 30)
    assert pace.tokens_per_second == 15.0
    clock.now += 500.0
    pace.resume()
    step(pace, clock, 1.0, 60)
    assert pace.tokens_per_second == 30.0
    pace.reset()
    assert pace.tokens_per_second is None
    step(pace, clock, 4.0, 20)
    assert pace.tokens_per_second == 5.0


def test_the_time_that_remains_is_reckoned_from_the_steps_that_count(
    clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    pace, now = Pace(), 50.0
    pace.resume()
    with make_bar(total=110, done=100, hidden=False) as bar:
        bar._time = lambda: now
        bar.start_t = bar.last_print_t = now
        for seconds in (90.0, 30.0, 2.0, 2.0):  # the first two are left out
            now += seconds
            step(pace, clock, seconds, 10)
            pace.move(bar)
    last = capfd.readouterr().err.split("\r")[-1]
    assert "| 104/110 steps [00:04<00:12]" in last


def test_a_hidden_bar_moves_too(clock: Clock, capfd: pytest.CaptureFixture[str]) -> None:
    pace = Pace()
    pace.resume()
    with make_bar(total=9, done=0, hidden=True) as bar:
        for _ in range(3):
            step(pace, clock, 1.0, 10)
            pace.move(bar)
    assert capfd.readouterr().err == ""


def test_a_report_counts_waiting_for_data_and_no_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    def turned(seconds: float, whole: Any) -> Any:
        def run(*arguments: Any) -> Any:
            clock.now += seconds
            return whole(*arguments)

        return run

    def wait(items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            clock.now += 1.0
            yield item

    monkeypatch.setattr("chatbot.training.trainer.prefetch", wait)
    monkeypatch.setattr(Computation, "advance", turned(2.0, Computation.advance))
    monkeypatch.setattr(Trainer, "measure", turned(500.0, Trainer.measure))
    monkeypatch.setattr(Trainer, "_save", turned(100.0, Trainer._save))
    corpus = write_pairs(tmp_path / "pairs.tsv")
    settings = tiny_settings(corpus, validation_corpus=str(corpus), max_steps=6)
    assert train(tmp_path / "model", **settings) == 0
    lines = (tmp_path / "model" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    speeds = {report["step"]: report.get("tokens_per_second") for report in map(json.loads, lines)}
    assert [*speeds] == [2, 3, 4, 6]
    assert speeds[2] is None
    # Steps 4, 5 and 6 are the second epoch, and each takes 3 seconds.
    tokens = sum(len(tokenize(reply)) + 1 for _, reply in PAIRS)
    assert 3 * speeds[4] + 6 * speeds[6] == pytest.approx(tokens)


def test_progress_of_older_versions_is_restored(tmp_path: Path) -> None:
    values = {"best": 9.5, "tokens": 70, "steps": 3, "seconds": 1.25, "losses": 200.0}
    expected = Progress(best=9.5, tokens=70, words=70, steps=3, losses=200.0)
    assert restore_progress(values, tmp_path) == expected
