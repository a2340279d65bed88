from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from chatbot.system.files import copy_whole, read_json, replace_text, write_json, write_whole
from chatbot.text import SPECIAL_TOKENS, Vocabulary


def write_pieces(path: Path) -> None:
    with write_whole(path) as file:
        file.write(b"half")


WRITERS: dict[str, Callable[[Path], None]] = {
    "pieces": write_pieces,
    "text": lambda path: replace_text(path, "text"),
    "json": lambda path: write_json(path, {"a": 1}),
    "copy": lambda path: copy_whole(Path(__file__), path),
    "words": Vocabulary([*SPECIAL_TOKENS, "hello"]).save,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        WRITERS[name](path)
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file", b"old")]


@pytest.mark.parametrize("name", WRITERS)
def test_a_new_file_is_as_open_as_any_and_an_old_one_keeps_its_mode(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "usual").touch()
    WRITERS[name](tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode
    (tmp_path / "new").chmod(0o640)
    WRITERS[name](tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["new", "usual"]


def test_a_path_that_is_not_utf_8_comes_back_from_json(tmp_path: Path) -> None:
    values = {"corpus": os.fsdecode(b"caf\xe9.tsv"), "name": "你好 café"}
    write_json(tmp_path / "file", values)
    assert read_json(tmp_path / "file") == values
    assert "你好 café" in (tmp_path / "file").read_text(encoding="utf-8")
