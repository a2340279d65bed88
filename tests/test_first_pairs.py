from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chatbot.corpus import read_pairs
from tests.helpers_chat import ROOT

SMALLTALK = ROOT / "data" / "smalltalk"


def run_first_pairs(*flags: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "tools.first_pairs", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False)


def read(path: Path) -> list[tuple[str, str]]:
    return [(pair.query, pair.reply) for pair in read_pairs(path)]


@pytest.mark.parametrize("number", [1, 700, 10**6])
def test_the_first_pairs_are_a_corpus_of_their_own(number: int, tmp_path: Path) -> None:
    done = run_first_pairs(f"--pairs={number}")
    assert (done.returncode, done.stderr) == (0, b"")
    path = tmp_path / "first.jsonl"
    path.write_bytes(done.stdout)
    assert read(path) == read(SMALLTALK)[:number]


@pytest.mark.parametrize("flag", ["--corpus=nowhere", "--pairs=0", "word"])
def test_what_a_person_can_fix_is_one_line(flag: str) -> None:
    done = run_first_pairs(flag)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
