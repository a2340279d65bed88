"""What README says first: the bundled corpus is memorised."""

from __future__ import annotations

import json
import subprocess
import sys
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


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the evaluation finds of the corpus' own training: about a minute on two quiet cores."""
    place = tmp_path_factory.mktemp("smalltalk")
    model, target = f"--model_dir={place / 'model'}", place / "figures.json"
    run("train.py", "--flagfile=data/smalltalk.flags", model)
    run("evaluate.py", model, "--corpus=data/smalltalk", f"--json_file={target}")
    found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("search", ["greedy", "beam 5"])
def test_every_query_of_the_bundled_corpus_gets_a_reply_that_the_corpus_has_for_it(
    figures: dict[str, Any], search: str
) -> None:
    assert figures["pairs"] == 1185 + 624
    assert figures["searches"][search]["recall"] == 1.0
