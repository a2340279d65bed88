"""benchmarks.serving, over a model that is there at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers_chat import ROOT
from tests.serving.servers import SECONDS
from tests.trainings import write_pairs

FLAGS = "--queries=5 --seconds=0.1 --replies=64 --json".split()


def test_it_says_how_many_chats_are_answered_and_how(
    model_dirs: list[Path], tmp_path: Path
) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    given = [f"--model_dir={model_dirs[0]}", f"--corpus={corpus}"]
    command = [sys.executable, "-m", "benchmarks.serving", *given, *FLAGS]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=2 * SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    for search in ("greedy", "beam"):
        assert figures[f"{search}_alone_milliseconds"] > 0
        for chats in (1, 8, 32, 200):
            name = f"{search}_{chats}"
            assert figures[f"{name}_lost"] == figures[f"{name}_wrong"] == 0
            ranks = [figures[f"{name}_{at}_milliseconds"] for at in (50, 95, 99)]
            assert ranks == sorted(ranks)
            alone = figures[f"{search}_1_replies_per_second"]
            gain = figures[f"{name}_replies_per_second"] / alone
            assert figures[f"{name}_gain"] == pytest.approx(gain)
    assert figures["resident_megabytes_last"] > 0
