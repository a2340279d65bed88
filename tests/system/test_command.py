from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chatbot.system import paths
from chatbot.system.command import command

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("started", "place", "told"),
    [
        ("train.py", ROOT, "python predict.py"),
        (f"{ROOT}/train.py", Path("/"), f"python {ROOT}/predict.py"),
        ("../train.py", ROOT / "data", "python ../predict.py"),
        ("chatbot train", Path("/"), "chatbot predict"),
        ("python -m chatbot train", ROOT, "python -m chatbot predict"),
        ("/home/me/train.py", ROOT, "python -m chatbot predict"),  # which is another's
        ("train.py", Path("/"), "python -m chatbot predict"),
    ],
)
def test_the_next_command_is_that_of_the_running_one(
    started: str, place: Path, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", [started, "--flag"])
    assert command("predict") == told


def test_an_installed_package_has_no_launchers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [f"{ROOT}/train.py"])
    monkeypatch.setattr(paths, "IS_CHECKOUT", False)
    assert command("predict") == "python -m chatbot predict"


def test_a_path_with_blanks_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "PROJECT", tmp_path / "a clone")
    monkeypatch.setattr(sys, "argv", [f"{tmp_path}/a clone/train.py"])
    assert command("predict") == f"python '{tmp_path}/a clone/predict.py'"
