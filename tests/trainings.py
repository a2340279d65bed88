"""Tiny trainings: a corpus, its flags, and what they leave behind."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf

from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.stopping import StopRequest
from chatbot.training.run import train_directory
from chatbot.training.trainer import Trainer

PAIRS = [
    ("hello", "hi there"),
    ("how are you ?", "fine , thanks ."),
    ("who are you ?", "a small program ."),
    ("bye", "see you soon !"),
    ("thank you", "you are welcome ."),
    ("你好", "你好 !"),
    ("再见", "下次 见 。"),
]


def write_pairs(path: Path, pairs: list[tuple[str, str]] = PAIRS) -> Path:
    path.write_text("".join(f"{q}\t{r}\n" for q, r in pairs), encoding="utf-8")
    return path


def tiny_settings(corpus: Path, **changes: Any) -> dict[str, Any]:
    settings = {
        "corpus": str(corpus),
        "rnn_size": 8,
        "num_layers": 1,
        "embedding_size": 6,
        "attention": "luong",
        "dropout": 0.2,
        "embedding_dropout": 0.1,
        "output_dropout": 0.0,
        "batch_size": 3,
        "num_epochs": 30,
        "max_steps": 8,
        "learning_rate": 0.01,
        "warmup_steps": 0,
        "average_decay": 0.0,
        "steps_per_checkpoint": 2,
        "precision": "float32",
    }
    return {**settings, **changes}


def train(directory: Path, **settings: Any) -> int:
    """Trains without drawing the curves, which takes a fifth of the time of so small a training."""
    with mock.patch("chatbot.training.job.draw_curves"):
        return train_directory(str(directory), settings, str(directory.parent / "encoded"))


def take_step(step: Any, batch: Any, number: int, rate: float) -> tuple[float, float]:
    """Takes a step of `make_train_step` on one device; returns the loss and the norm."""
    scales = tf.constant([1 / np.sum(batch.reply_lengths)], tf.float32)
    others = (tf.constant(x) for x in (0.0, number, rate))  # nobody wishes to stop
    loss, norm, _ = step((tuple(batch),), scales, *others)
    return float(loss), float(norm)


def read_metrics(directory: Path) -> list[dict[str, Any]]:
    """The reports, without what depends on the clock."""
    lines = (directory / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    reports = [json.loads(line) for line in lines]
    for report in reports:
        report.pop("tokens_per_second", None)  # which the first steps have not
    return reports


def read_weights(directory: Path) -> dict[str, Any]:
    """Every tensor of the newest checkpoint, weights and slots, by its key."""
    newest = ModelDirectory(directory).newest()
    assert newest is not None
    reader = tf.train.load_checkpoint(str(directory / newest.name))
    keys = [
        key for key in reader.get_variable_to_shape_map() if key != "_CHECKPOINTABLE_OBJECT_GRAPH"
    ]
    return {key: reader.get_tensor(key) for key in keys}


def assert_same_weights(one: Path, other: Path) -> None:
    here, there = read_weights(one), read_weights(other)
    assert here.keys() == there.keys()
    for key in here:
        np.testing.assert_array_equal(here[key], there[key], err_msg=key)


def digest_directory(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


class StopAfter(StopRequest):
    """Somebody who asks to stop once a condition holds."""

    def __init__(self, condition: Any) -> None:
        super().__init__()
        self._condition = condition

    @property
    def requested(self) -> bool:
        return bool(self._condition())


def stop_after_step(monkeypatch: Any, step: int) -> None:
    """Makes every training stop once it has taken this many steps, as by Ctrl-C."""
    whole = Trainer.run

    def run(self: Trainer, stop: StopRequest) -> Any:
        return whole(self, StopAfter(lambda: self.step >= step))

    monkeypatch.setattr(Trainer, "run", run)


def read_until(process: subprocess.Popen[str], sign: str) -> str:
    """Reads the stderr of a training in a process of its own up to a sign."""
    assert process.stderr is not None
    said = ""
    while sign not in said:
        piece = process.stderr.read(1)
        assert piece, f"ended before {sign!r}: {said}"
        said += piece
    return said
