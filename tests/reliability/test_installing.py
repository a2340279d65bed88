"""An empty environment and pip are enough: about a minute, and 2 GB of disk."""

from __future__ import annotations

import venv
from pathlib import Path

from tests.test_package import ROOT, TINY, run


def test_pip_brings_all_that_the_chatbot_needs(tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", with_pip=True)
    programs = tmp_path / "environment" / "bin"
    run(programs / "pip", "install", "--quiet", ROOT, cwd=tmp_path)
    run(programs / "pip", "check", cwd=tmp_path)
    run(programs / "chatbot", "train", *TINY, cwd=tmp_path)
    talk = run(programs / "chatbot", "predict", cwd=tmp_path, stdin="hello\n")
    assert talk.stdout.startswith("greedy  ")
    assert talk.stderr == ""
