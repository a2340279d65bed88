"""train.py as processes that somebody kills, stops or starves, and what they leave behind."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from chatbot.storage.model_directory import ModelDirectory
from tests.reliability.conftest import LOST, Tally

ROOT = Path(__file__).parents[2]
DYING = Path(__file__).with_name("dying.py")
NAMELESS = {".lock", "encoded", "events"}
"""What a model directory holds besides the training's own results."""


def training_flags(corpus: Path, **changes: Any) -> list[str]:
    """A small training with everything whose place has to be remembered."""
    settings = {
        "corpus": corpus,
        "rnn_size": 10,
        "num_layers": 2,
        "embedding_size": 7,
        "attention": "luong",
        "dropout": 0.2,
        "embedding_dropout": 0.1,
        "output_dropout": 0.0,
        "word_dropout": 0.1,
        "max_length": 9,
        "validation_share": 0.12,
        "batch_size": 6,
        "num_epochs": 8,
        "learning_rate": 0.004,
        "learning_rate_schedule": "cosine",
        "warmup_steps": 5,
        "average_decay": 0.0,
        "steps_per_checkpoint": 7,
        "patience": 25,
        "precision": "float32",
        "deterministic": True,
        **changes,
    }
    return [f"--{name}={value}" for name, value in settings.items()]


def start_training(
    model_dir: Path, flags: Sequence[str], before: Sequence[str | Path] = ()
) -> subprocess.Popen[str]:
    """Starts train.py; `before` stands between Python and it."""
    command = [sys.executable, *map(str, before), "train.py", *flags, f"--model_dir={model_dir}"]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, cwd=ROOT
    )


def finish(process: subprocess.Popen[str], tally: Tally, status: int = 0) -> str:
    """Waits for the end, and returns what was said on stderr since it was last read."""
    _, said = process.communicate(timeout=240)
    tally.read(said)
    assert process.returncode == status, said
    assert "Traceback" not in said, said
    return said


def wait_until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Returns as soon as a condition holds; looks thousands of times a second."""
    limit = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.0002)


def read_tensors(model_dir: Path, name: str) -> dict[str, Any]:
    """Every tensor of a checkpoint, weights and slots, by its key."""
    reader = tf.train.load_checkpoint(str(model_dir / name))
    keys = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {key: reader.get_tensor(key) for key in sorted(keys)}


def read_reports(model_dir: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, without what depends on the clock."""
    text = (model_dir / "metrics.jsonl").read_text(encoding="utf-8")
    reports = [json.loads(line) for line in text.splitlines()]
    for report in reports:
        report.pop("tokens_per_second", None)  # which the first steps have not
    return reports


def list_names(model_dir: Path) -> set[str]:
    return {path.name for path in model_dir.iterdir()} - NAMELESS


def read_progress(model_dir: Path) -> list[tuple[Any, ...]]:
    """The kept checkpoints with all that the loop remembers, but for its seconds."""
    return [
        (kept.name, kept.step, kept.validation_perplexity, {**kept.progress, "seconds": 0.0})
        for kept in ModelDirectory(model_dir).checkpoints()
    ]


def assert_same_tensors(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for key, values in one.items():
        assert values.dtype == other[key].dtype, key
        np.testing.assert_array_equal(values, other[key], err_msg=key)


def assert_same_training(one: Path, other: Path, tally: Tally) -> None:
    """Compares all that two trainings have left, bit for bit."""
    expected, found = read_reports(one), read_reports(other)
    tally.add(LOST, len(expected), sum(report in found for report in expected))
    assert found == expected
    assert read_progress(one) == read_progress(other)
    for kept in ModelDirectory(one).checkpoints():
        assert_same_tensors(read_tensors(one, kept.name), read_tensors(other, kept.name))
    best = [ModelDirectory(directory).best() for directory in (one, other)]
    assert best[0] is not None
    assert best[1] is not None
    assert best[0].name == best[1].name
    for name in ("finished.json", "config.json", "vocab.txt"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert list_names(one) == list_names(other)
