"""Trainings that are killed at any moment end as if nothing had happened."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.reliability.conftest import Tally
from tests.reliability.processes import (
    DYING,
    assert_same_training,
    finish,
    start_training,
    training_flags,
    wait_until,
)
from tests.small_corpora import write_corpus
from tests.trainings import read_until

TRAININGS, KILLS = 5, 4
PLACES = {"encoding": 3, "checkpoint": 4, "writing": 3, "validation": 4, "start": 2, "step": 4}
"""How many of the kills hit where; checkpoint is inside, writing and the last two are outside."""
HITS: Counter[str] = Counter()


class Whole(NamedTuple):
    """A training that nobody killed.

    Attributes:
        corpus: What it has learned.
        model_dir: What it has left.
        begins: Seconds from its start to its first step.
    """

    corpus: Path
    model_dir: Path
    begins: float


@pytest.fixture(name="whole", scope="module")
def train_whole(tmp_path_factory: pytest.TempPathFactory, tally: Tally) -> Whole:
    directory = tmp_path_factory.mktemp("whole")
    corpus = write_corpus(directory / "corpus.tsv")
    started = time.monotonic()
    process = start_training(directory / "model", training_flags(corpus))
    read_until(process, "training:")
    begins = time.monotonic() - started
    assert "no better validation perplexity" in finish(process, tally)
    return Whole(corpus, directory / "model", begins)


def plan_kills() -> list[list[str]]:
    """Where each training is killed; only its first process encodes."""
    others = [place for place, count in PLACES.items() for _ in range(count) if place != "encoding"]
    random.Random(41).shuffle(others)
    left = iter(others)
    first = ["encoding"] * PLACES["encoding"]
    return [
        first[number : number + 1] + [next(left) for _ in range(KILLS - (number < len(first)))]
        for number in range(TRAININGS)
    ]


PLAN = plan_kills()


def kill_inside(whole: Whole, model_dir: Path, place: str, generator: random.Random) -> str:
    """Lets a process kill itself at a certain operation; returns its last words."""
    latest = {"encoding": 299, "checkpoint": 54, "validation": 24}
    number = generator.randint(1, latest[place])
    process = start_training(model_dir, training_flags(whole.corpus), [DYING, place, str(number)])
    last_words, _ = process.communicate(timeout=120)
    assert process.returncode == -9
    return last_words.splitlines()[-1]


def kill_outside(whole: Whole, model_dir: Path, place: str, generator: random.Random) -> None:
    """Kills a process at a moment of our own choice."""
    process = start_training(model_dir, training_flags(whole.corpus))
    if place == "start":
        time.sleep(generator.uniform(0.1, 0.9) * whole.begins)
    elif place == "step":
        read_until(process, "training:")
        time.sleep(generator.uniform(0.0, 1.2))
    else:
        wait_until(process, (model_dir / ".writing").exists)
        time.sleep(generator.uniform(0.0, 0.004))
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -9


def kill(whole: Whole, model_dir: Path, place: str, generator: random.Random) -> Iterator[str]:
    """Kills one process, and says what it hit."""
    if place in ("encoding", "checkpoint", "validation"):
        last_words = kill_inside(whole, model_dir, place, generator)
        assert last_words.startswith(f"died at {place}")
        yield place
        return
    kill_outside(whole, model_dir, place, generator)
    if any(model_dir.glob(".writing*")):
        yield "checkpoint"  # it was still at it


@pytest.mark.parametrize("number", range(TRAININGS))
def test_killed_and_started_again_is_as_if_never_killed(
    number: int, whole: Whole, tmp_path: Path, tally: Tally
) -> None:
    generator = random.Random(100 + number)
    with tally.trying("kills", KILLS):
        for place in PLAN[number]:
            HITS.update([*kill(whole, tmp_path / "model", place, generator), "kills"])
        process = start_training(tmp_path / "model", training_flags(whole.corpus))
        finish(process, tally)
        assert_same_training(whole.model_dir, tmp_path / "model", tally)


def test_the_kills_have_hit_what_they_aimed_at() -> None:
    if HITS["kills"] < TRAININGS * KILLS:
        pytest.skip("counts the kills of the tests above, which were not all run")
    assert HITS["encoding"] >= 2
    assert HITS["checkpoint"] >= 3
    assert HITS["validation"] >= 3
