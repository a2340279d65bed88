from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parent / "reliability" / "conftest.py"
TRYING = """
def test_kills(tally):
    with tally.trying("kills", 2):
        pass
    tally.read("all well")
def test_disks(tally):
    tally.add("full disks", 3, {survived})
"""


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("survived", [3, 2])
def test_the_counts_of_all_workers_are_added_up(
    workers: int, survived: int, tmp_path: Path
) -> None:
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    for name, count in (("one", 3), ("other", survived)):
        text = TRYING.format(survived=count)
        (tmp_path / f"test_{name}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", f"-n{workers}", "--dist=loadfile"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["kills", "4", "survived", "of", "4", "tried"] in rows, done.stdout
    assert ["full", "disks", str(3 + survived), "survived", "of", "6", "tried"] in rows
    assert ["tracebacks", "0", "in", "2", "outputs"] in rows
    assert ("NOT EVERYTHING SURVIVED" in done.stdout) == (survived == 2)
    assert done.returncode == (survived == 2)
