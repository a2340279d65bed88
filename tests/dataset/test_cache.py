from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from chatbot.dataset.cache import find_or_build
from chatbot.errors import ChatbotError


def is_whole(directory: Path) -> bool:
    return (directory / "done").exists()


def build(directory: Path) -> None:
    assert not list(directory.iterdir())
    (directory / "done").write_text("by us")


def refuse(directory: Path) -> None:
    raise AssertionError(f"{directory} was built again")


def test_a_whole_directory_is_used_and_never_built_again(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "cache"
    directory = find_or_build(place, "key", is_whole, build)
    assert directory == place / "key"
    assert (directory / "done").read_text() == "by us"
    assert find_or_build(place, "key", is_whole, refuse) == directory
    assert list_directories(place) == ["key"]


def list_directories(place: Path) -> list[str]:
    return sorted(entry.name for entry in place.iterdir() if entry.is_dir())


def test_a_damaged_directory_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    (tmp_path / "key" / "half").write_text("old")
    directory = find_or_build(tmp_path, "key", is_whole, build)
    assert [entry.name for entry in directory.iterdir()] == ["done"]
    assert list_directories(tmp_path) == ["key"]


@pytest.mark.parametrize("error", [ChatbotError("bad line"), KeyboardInterrupt()])
def test_a_failing_build_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def fail(directory: Path) -> None:
        build(directory)
        raise error

    with pytest.raises(type(error)):
        find_or_build(tmp_path, "key", is_whole, fail)
    assert list_directories(tmp_path) == []


def test_remains_of_a_dead_process_are_removed(tmp_path: Path) -> None:
    find_or_build(tmp_path, "first", is_whole, build)
    remains = tmp_path / ".building-dead" / "new"
    remains.mkdir(parents=True)
    (remains / "done").write_text("never renamed")
    find_or_build(tmp_path, "second", is_whole, build)
    assert list_directories(tmp_path) == ["first", "second"]


def test_what_another_process_built_meanwhile_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def wait(file: object, operation: int) -> None:
        if operation & fcntl.LOCK_NB:
            raise BlockingIOError("another holds it")
        (tmp_path / "key").mkdir()
        (tmp_path / "key" / "done").write_text("by another")

    monkeypatch.setattr(fcntl, "flock", wait)
    directory = find_or_build(tmp_path, "key", is_whole, refuse)
    assert (directory / "done").read_text() == "by another"


def test_the_lock_is_held_while_building(tmp_path: Path) -> None:
    def try_lock(directory: Path) -> None:
        with open(tmp_path / ".encoding-lock", "ab") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        build(directory)

    find_or_build(tmp_path, "key", is_whole, try_lock)
    with open(tmp_path / ".encoding-lock", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_place_that_cannot_be_written_is_one_line_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ChatbotError, match="make it writable or choose another") as caught:
            find_or_build(place, "key", is_whole, build)
        assert str(place) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_directory_is_as_open_as_its_parent(tmp_path: Path) -> None:
    place = tmp_path / "cache"
    place.mkdir(mode=0o755)
    directory = find_or_build(place, "key", is_whole, build)
    assert directory.stat().st_mode & 0o055 == 0o055
