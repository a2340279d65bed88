"""Command lines that cannot work: a line each and status 2, before any work."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from chatbot.errors import ChatbotError
from chatbot.settings.config import SECTIONS, SearchConfig
from tests.helpers_chat import ROOT, make_directory
from tests.reliability.conftest import Tally
from tests.reliability.test_model_directories import run_program
from tests.trainings import digest_directory, tiny_settings, train, write_pairs

FLAGS = "flags out of range"


def test_no_number_at_all_is_a_line_and_status_2(tmp_path: Path, tally: Tally) -> None:
    make_directory(tmp_path / "model")
    for program, flag in (("train.py", "dropout"), ("predict.py", "length_penalty")):
        with tally.trying(FLAGS):
            done = run_program(program, tmp_path / "model", f"--{flag}=nan")
            tally.read(done.stderr)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.splitlines() == [
                f"{program}: --{flag}=nan is not a finite number; give one"
            ]


NUMBERS = [
    item
    for kind in SECTIONS.values()
    for item in fields(kind)
    if type(item.default) in (int, float)
]
# Asks a program for one wrong value after the other, as a command line would, in one process.
PROGRAM = """
import contextlib, io, sys
import chatbot.programs.{module} as program
from chatbot.programs.flags import run
for assignment in sys.stdin.read().split():
    sys.argv = ["{module}.py", "--" + assignment]
    complaint = io.StringIO()
    status = None
    with contextlib.redirect_stderr(complaint):
        try:
            accept = lambda rest: print("accepted", assignment) or 0
            run(accept, program.PURPOSE, program.define_flags)
        except SystemExit as end:
            status = end.code
    name = assignment.partition("=")[0]
    lines = complaint.getvalue().splitlines()
    print(status, len(lines), name in "".join(lines), "tensorflow" in sys.modules)
"""


@pytest.mark.parametrize("module", ["train", "predict"])
def test_every_number_out_of_its_range_is_a_line_and_status_2(module: str, tally: Tally) -> None:
    own = {item.name for item in fields(SearchConfig)}
    numbers = [item for item in NUMBERS if module == "train" or item.name in own]
    assert all(None not in (item.metadata["low"], item.metadata["high"]) for item in numbers)
    wrong = [f"{item.name}={item.metadata['low'] - 1}" for item in numbers]
    wrong += [f"{item.name}={item.metadata['high'] * 2 + 1}" for item in numbers]
    wrong += [f"{item.name}={text}" for item in numbers for text in ("many", "")]
    with tally.trying(FLAGS, len(wrong)):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(module=module)],
            input=" ".join(wrong),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        tally.read(done.stderr)
        assert done.stdout.splitlines() == ["2 1 True False"] * len(wrong), done.stderr


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"validation_corpus": "{}/pairs.tsv", "validation_share": 0.2}, "--validation_share"),
        ({"patience": 2}, "--patience"),
        ({"model_name": "../ckpt"}, "--model_name"),
        ({"model_name": ""}, "--model_name"),
        ({"corpus": ""}, "--corpus"),
        ({"distribute": "multiworker"}, "TF_CONFIG"),
    ],
)
def test_flags_that_cannot_work_together_are_refused_before_any_work(
    tmp_path: Path,
    tally: Tally,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    named: str,
) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with tally.trying("flags that contradict"):
        corpus = write_pairs(tmp_path / "pairs.tsv")
        filled = {
            name: value.format(tmp_path) if isinstance(value, str) else value
            for name, value in changes.items()
        }
        before = digest_directory(tmp_path)
        with pytest.raises(ChatbotError, match=named) as caught:
            train(tmp_path / "model", **{**tiny_settings(corpus), **filled})
        assert str(caught.value).isprintable()
        assert digest_directory(tmp_path) == before
