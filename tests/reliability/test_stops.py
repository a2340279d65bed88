"""Trainings that are told to stop: soon, without a traceback, and so that the next run goes on."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chatbot.storage.model_directory import ModelDirectory
from tests.reliability.conftest import Tally
from tests.reliability.processes import (
    assert_same_training,
    finish,
    start_training,
    training_flags,
    wait_until,
)
from tests.small_corpora import write_corpus
from tests.trainings import read_until

LIMIT = 10.0
"""Seconds of its processors in which a training has to end; those of a clock depend on the load."""
TOLD = {
    "before": "nothing is lost, run the same command to go on",
    "within": "all saved; run the same command to go on",
}
Moment = Callable[[subprocess.Popen[str], Path], None]


def wait_for_tensorflow(process: subprocess.Popen[str], _: Path) -> None:
    maps = Path(f"/proc/{process.pid}/maps")
    wait_until(process, lambda: "libtensorflow" in maps.read_text())


def wait_for_encoding(process: subprocess.Popen[str], model_dir: Path) -> None:
    wait_until(process, lambda: any(model_dir.glob("encoded/.building-*/new/*")))


def wait_for_building(process: subprocess.Popen[str], model_dir: Path) -> None:
    wait_until(process, (model_dir / "config.json").exists)


def wait_for_steps(process: subprocess.Popen[str], _: Path) -> None:
    read_until(process, "tokens/s")


def wait_for_validation(process: subprocess.Popen[str], _: Path) -> None:
    read_until(process, "validating")


MOMENTS: dict[str, tuple[Moment, float, str]] = {
    "loading": (wait_for_tensorflow, 0.5, "before"),
    "encoding": (wait_for_encoding, 0.3, "before"),
    "building": (wait_for_building, 0.3, "before"),
    "steps": (wait_for_steps, 0.3, "within"),
    "validation": (wait_for_validation, 0.01, "within"),
}
"""{name: (how to wait for it, most seconds more, which message is due)}."""


def count_seconds(pid: int) -> float:
    """Seconds that a process has used of the processors."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def count_ended() -> float:
    """Seconds that the processes which have ended used of the processors."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def stop(process: subprocess.Popen[str], number: int, tally: Tally) -> str:
    """Sends a signal and expects the end, with the status that shells give."""
    before, spent = count_ended(), count_seconds(process.pid)
    process.send_signal(number)
    said = finish(process, tally, 128 + number)
    assert count_ended() - before - spent < LIMIT
    return said.splitlines()[-1]


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_stopped_at_every_stage_is_as_if_never_stopped(
    first: int, tmp_path: Path, tally: Tally
) -> None:
    corpus = write_corpus(tmp_path / "corpus.tsv", 1_000)
    corpus.write_text(200 * corpus.read_text(encoding="utf-8"))  # so that it takes a while
    flags = training_flags(corpus, validation_share=0.001, learning_rate_schedule="constant")
    generator, model_dir = random.Random(first), tmp_path / "stopped"
    signals = [first, signal.SIGINT + signal.SIGTERM - first]
    for place, (wait, longest, due) in enumerate(MOMENTS.values()):
        with tally.trying("stops"):
            process = start_training(model_dir, [*flags, "--max_steps=1000000"])
            wait(process, model_dir)
            time.sleep(generator.uniform(0.0, longest))
            assert TOLD[due] in stop(process, signals[place % 2], tally)
    newest = ModelDirectory(model_dir).newest()
    assert newest is not None
    flags.append(f"--max_steps={newest.step + 20}")
    finish(start_training(model_dir, flags), tally)
    finish(start_training(tmp_path / "whole", flags), tally)
    assert_same_training(tmp_path / "whole", model_dir, tally)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_signal_at_any_moment_is_no_traceback(
    number: int, seed: int, tmp_path: Path, tally: Tally
) -> None:
    flags = training_flags(write_corpus(tmp_path / "corpus.tsv"), num_epochs=1_000, patience=0)
    with tally.trying("stops"):
        process = start_training(tmp_path / "model", flags)
        time.sleep(random.Random(f"{number} {seed}").uniform(0.5, 5.0))
        assert "run the same command to go on" in stop(process, number, tally)


def test_the_clock_stops_a_training_wherever_it_is_and_it_goes_on(
    tmp_path: Path, tally: Tally
) -> None:
    flags = training_flags(write_corpus(tmp_path / "corpus.tsv"), num_epochs=1_000, patience=0)
    minutes = 0.12
    with tally.trying("stops"):
        started = time.monotonic()
        said = finish(
            start_training(tmp_path / "model", [*flags, f"--max_minutes={minutes}"]), tally
        )
        assert "run the same command to" in said.splitlines()[-1]
        assert time.monotonic() - started > 60 * minutes
        # On a busy machine the time is over before the first step.
        directory = ModelDirectory(tmp_path / "model")
        newest = directory.newest() if directory.exists() else None
        steps = newest.step if newest else 0
        flags.append(f"--max_steps={steps + 3}")
        said = finish(start_training(tmp_path / "model", flags), tally)
        assert "finished: all" in said
        assert not steps or f"going on from step {steps}" in said
