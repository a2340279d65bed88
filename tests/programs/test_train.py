"""train.py as a process, as people run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatbot.storage.model_directory import ModelDirectory
from tests.trainings import read_until, tiny_settings, train, write_pairs

ROOT = Path(__file__).parents[2]


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


def test_a_signal_saves_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "pairs.tsv")
    begun = 0
    for number in (signal.SIGINT, signal.SIGTERM):
        process = start(tmp_path)
        said = read_until(process, "tokens/s")
        process.send_signal(number)
        _, rest = process.communicate(timeout=300)
        assert process.returncode == 128 + number
        assert (f"going on from step {begun}" in said) == (begun > 0), said
        assert "all saved; run the same command to go on" in rest
        assert "Traceback" not in rest
        newest = ModelDirectory(tmp_path / "model").newest()
        assert newest is not None
        assert newest.step > begun
        begun = newest.step

    assert train(tmp_path / "model", max_steps=begun + 3) == 0
    assert f"going on from step {begun}" in capsys.readouterr().err
    lines = (tmp_path / "model" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(set(steps))
    assert steps[-1] == begun + 3


def test_a_corpus_of_another_format_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("no tab here\nnor here\n", encoding="utf-8")
    process = start(tmp_path)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "Traceback" not in said
    assert "pairs.tsv:1" in said.splitlines()[-1]
    assert not (tmp_path / "model" / "config.json").exists()
