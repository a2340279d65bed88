"""train.py as a process, as people run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from trainings import read_until, tiny_settings, write_pairs

from chatbot.checkpoint import ModelDirectory

ROOT = Path(__file__).parents[1]


def start(directory: Path, *changes: str) -> subprocess.Popen[str]:
    settings = tiny_settings(directory / "pairs.tsv", max_steps=1_000_000)
    flags = [f"--{name}={value}" for name, value in settings.items()]
    return subprocess.Popen(
        [sys.executable, "train.py", *flags, f"--model_dir={directory / 'model'}", *changes],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_same_command_goes_on(tmp_path: Path, number: int) -> None:
    write_pairs(tmp_path / "pairs.tsv")
    process = start(tmp_path)
    read_until(process, "tokens/s")
    process.send_signal(number)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "all saved; run the same command to go on" in rest
    assert "Traceback" not in rest
    newest = ModelDirectory(tmp_path / "model").newest()
    assert newest is not None
    assert newest.step > 0

    finish = start(tmp_path, f"--max_steps={newest.step + 3}")
    _, said = finish.communicate(timeout=60)
    assert finish.returncode == 0, said
    assert f"going on from step {newest.step}" in said
    lines = (tmp_path / "model" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(set(steps))
    assert steps[-1] == newest.step + 3


def test_a_corpus_of_another_format_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("no tab here\nnor here\n", encoding="utf-8")
    process = start(tmp_path)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Traceback" not in said
    assert "pairs.tsv:1" in said.splitlines()[-1]
    assert not (tmp_path / "model" / "config.json").exists()
