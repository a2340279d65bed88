"""What README says first of the bundled corpus: how much is memorised, how much understood."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.processes import ROOT


def run(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module", name="model")
def train_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The corpus' own training: about four minutes on two quiet cores."""
    model = f"--model_dir={tmp_path_factory.mktemp('smalltalk') / 'model'}"
    run("train.py", "--flagfile=data/smalltalk.flags", model)
    return model


def evaluate(model: str, target: Path, *flags: str) -> dict[str, Any]:
    run("evaluate.py", model, f"--json_file={target}", *flags)
    found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("language", ["english", "chinese"])
def test_most_queries_of_the_corpus_get_a_reply_that_it_has_for_them(
    model: str, tmp_path: Path, language: str
) -> None:
    corpus = f"--corpus=data/smalltalk/{language}"
    few = ("--limit=1500", "--hits_candidates=0")
    found = evaluate(model, tmp_path / "figures.json", corpus, *few)
    for search in ("greedy", "beam 5"):
        assert found["searches"][search]["recall"] > 0.6


def test_held_out_queries_get_acceptable_replies_in_their_own_language(
    model: str, tmp_path: Path
) -> None:
    data = ("--corpus=data/smalltalk", "--held_out=data/smalltalk/held_out")
    found = evaluate(model, tmp_path / "figures.json", *data)
    for search in ("greedy", "beam 5"):
        row = found[search]["all"]
        assert row["queries"] == 450
        assert row["acceptable"] > 0.5
        assert row["other_language"] < 0.02 * 450
    assert found["hits"]["all"]["acceptable"] > 0.4
