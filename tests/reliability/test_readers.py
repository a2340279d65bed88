"""Trainings that nobody watches, or that nobody watches any more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.reliability.conftest import Tally
from tests.reliability.processes import (
    ROOT,
    assert_same_training,
    finish,
    start_training,
    training_flags,
)
from tests.small_corpora import write_corpus

ENDS = ("2>&-", "2>/dev/full", ">&- 2>&- <&-", "2>&1 | head -c 1500")


def test_a_training_that_nobody_watches_ends_as_a_watched_one(tmp_path: Path, tally: Tally) -> None:
    flags = training_flags(write_corpus(tmp_path / "corpus.tsv"), max_steps=60)
    finish(start_training(tmp_path / "watched", flags), tally)
    for number, end in enumerate(ENDS):
        model_dir = tmp_path / f"alone {number}"
        command = [sys.executable, "train.py", *flags, f"--model_dir={model_dir}"]
        with tally.trying("readers that go away"):
            done = subprocess.run(
                ["bash", "-c", f'"$@" {end}; exit ${{PIPESTATUS[0]}}', "bash", *command],
                cwd=ROOT,
                capture_output=True,
                timeout=240,
                check=False,
            )
            tally.read(done.stdout)
            assert (done.returncode, done.stderr) == (0, b"")
            assert_same_training(tmp_path / "watched", model_dir, tally)
