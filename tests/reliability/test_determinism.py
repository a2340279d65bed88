"""The same seed gives the same weights, in two processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatbot.storage.model_directory import ModelDirectory
from tests.reliability.conftest import Tally
from tests.reliability.processes import (
    assert_same_tensors,
    finish,
    read_tensors,
    start_training,
    training_flags,
)
from tests.small_corpora import write_corpus


def train(model_dir: Path, flags: list[str], tally: Tally) -> dict[str, Any]:
    finish(start_training(model_dir, flags), tally)
    newest = ModelDirectory(model_dir).newest()
    assert newest is not None
    return read_tensors(model_dir, newest.name)


@pytest.mark.parametrize(
    ("precision", "attention"),
    [
        ("float32", "luong"),
        pytest.param("bfloat16", "bahdanau", marks=pytest.mark.needs_bfloat16),
    ],
)
def test_the_same_seed_is_the_same_weights(
    precision: str, attention: str, tmp_path: Path, tally: Tally
) -> None:
    flags = training_flags(
        write_corpus(tmp_path / "corpus.tsv"),
        precision=precision,
        attention=attention,
        max_steps=40,
        rnn_size=32,
        batch_size=24,
    )
    with tally.trying("seeds"):
        one, same = (train(tmp_path / name, flags, tally) for name in ("one", "same"))
        assert_same_tensors(one, same)
        other = train(tmp_path / "other", [*flags, "--seed=2"], tally)
        weights = [key for key, value in one.items() if np.ndim(value) > 1]
        assert weights
        for key in weights:
            assert not np.array_equal(one[key], other[key]), key
