from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from chatbot.errors import ChatbotError
from chatbot.system.files import (
    copy_whole,
    read_json,
    replace_output,
    replace_text,
    write_json,
    write_whole,
)
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


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_there_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with replace_output(str(path)) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["out"]


def fail_midway(path: Path) -> None:
    with replace_output(str(path)) as file:
        file.write(b"half")
        raise KeyboardInterrupt


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        fail_midway(path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out"]


def test_a_link_is_followed_and_a_private_file_is_private_all_along(tmp_path: Path) -> None:
    path, link = tmp_path / "out", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o600)
    link.symlink_to(path)
    with replace_output(str(link)) as file:
        file.write(b"new")
        modes = [stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()]
    assert modes == [0o600] * 3
    assert path.read_bytes() == b"new"
    assert link.is_symlink()


def test_a_device_is_written_not_replaced(tmp_path: Path) -> None:
    before = os.stat(os.devnull)
    with replace_output(os.devnull) as file:
        file.write(b"gone")
    assert os.stat(os.devnull).st_ino == before.st_ino
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@pytest.mark.parametrize("name", [".", "missing/out", "file/out"])
def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ChatbotError, match="--output=") as caught,
        replace_output(str(tmp_path / name)),
    ):
        pytest.fail("it was opened")
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["file"]


def write_to(path: str) -> None:
    with replace_output(path) as file:
        file.write(b"x")
        file.flush()


def test_a_full_disk_is_one_line() -> None:
    with pytest.raises(ChatbotError, match="cannot be written"):
        write_to("/dev/full")
