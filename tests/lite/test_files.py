"""Graphs on disk: what is read is what was written, or nothing."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatbot.lite.files import (
    NAMES,
    DamagedGraphsError,
    find_graphs,
    read_graphs,
    save_graphs,
)
from chatbot.system import files

GRAPHS = {name: f"the {name} of many bytes".encode() for name in NAMES}
OTHERS = {name: content[::-1] for name, content in GRAPHS.items()}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = find_graphs(tmp_path, "int8")
    save_graphs(place, GRAPHS, "network", "source")
    return place


def test_what_was_saved_is_read_by_whoever_asks_for_it(place: Path) -> None:
    assert read_graphs(place, "network", "source") == GRAPHS
    assert read_graphs(place, "network") == GRAPHS
    assert read_graphs(place, "other", "source") is None
    assert read_graphs(place, "network", "other") is None
    assert read_graphs(place.parent / "float32", "network") is None
    assert read_graphs(place / "graphs.json", "network") is None


def remove_and(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def apply(path: Path) -> None:
        path.unlink()
        make(path)

    return apply


def rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "first byte": rewrite(lambda content: bytes([content[0] ^ 1]) + content[1:]),
    "last byte": rewrite(lambda content: content[:-1] + bytes([content[-1] ^ 128])),
    "cut": rewrite(lambda content: content[: len(content) // 2]),
    "emptied": rewrite(lambda content: b""),
    "lengthened": rewrite(lambda content: content + b"\0"),
    "NULs": rewrite(lambda content: bytes(len(content))),
    "removed": Path.unlink,
    "a directory": remove_and(Path.mkdir),
    "a pipe": remove_and(os.mkfifo),
    "a link to nothing": remove_and(lambda path: path.symlink_to("nothing")),
    "a link to itself": remove_and(lambda path: path.symlink_to(path)),
    "another's": lambda path: path.write_bytes(OTHERS[path.name]),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_then_replaced(place: Path, name: str, damage: str) -> None:
    DAMAGES[damage](place / name)
    with pytest.raises(DamagedGraphsError) as caught:
        read_graphs(place, "network", "source")
    assert str(caught.value).startswith(str(place / name))
    assert str(caught.value).isprintable()
    if damage == "a directory":
        return
    save_graphs(place, GRAPHS, "network", "source")
    assert read_graphs(place, "network", "source") == GRAPHS


def edit(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda content: json.dumps({**json.loads(content), **changes}).encode()


def edit_first(entry: object) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        described = json.loads(content)
        described["files"][NAMES[0]] = entry
        return json.dumps(described).encode()

    return change


INDEXES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[:-3],
    "no JSON": lambda content: b"PK\x03\x04",
    "no UTF-8": lambda content: b"\xff\xff\xff" + content,
    "deep": lambda content: b"[" * 200_000,
    "a list": lambda content: b"[]",
    "null": lambda content: b"null",
    "another object": lambda content: b"{}",
    "later format": edit(format=2),
    "no format": edit(format=None),
    "format a text": edit(format="1"),
    "format a list": edit(format=[1]),
    "network a number": edit(network=1),
    "network null": edit(network=None),
    "source null": edit(source=None),
    "source a list": edit(source=["source"]),
    "files null": edit(files=None),
    "files a list": edit(files=[*NAMES]),
    "files a text": edit(files="many"),
    "files empty": edit(files={}),
    "files of one": edit(files={NAMES[0]: [1, "a"]}),
    "entry null": edit_first(None),
    "entry a number": edit_first(5),
    "entry a text": edit_first("5a"),
    "entry short": edit_first([24]),
    "entry deep": edit_first([[24, "a"]]),
    "size a text": edit_first(["24", "a"]),
    "hash of another": edit_first([len(GRAPHS[NAMES[0]]), "0" * 64]),
}


@pytest.mark.parametrize("name", INDEXES)
def test_a_damaged_index_never_passes_graphs(place: Path, name: str) -> None:
    rewrite(INDEXES[name])(place / "graphs.json")
    with contextlib.suppress(DamagedGraphsError):
        assert read_graphs(place, "network", "source") is None
    save_graphs(place, GRAPHS, "network", "source")
    assert read_graphs(place, "network", "source") == GRAPHS


@pytest.mark.parametrize("damage", ["a directory", "a pipe", "a link to itself"])
def test_an_index_that_is_no_file_is_not_waited_for(place: Path, damage: str) -> None:
    DAMAGES[damage](place / "graphs.json")
    with pytest.raises(DamagedGraphsError, match=r"graphs\.json"):
        read_graphs(place, "network", "source")


@pytest.mark.parametrize("failing", range(4))
def test_what_cannot_be_written_to_its_end_is_never_read(
    place: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Fails as a full disk does, at each of the four files."""
    calls = iter(range(10))

    def fail(_: int) -> None:
        if next(calls) >= failing:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(files, "flush_to_disk", lambda path: None)
    with pytest.raises(OSError, match="No space left"):
        save_graphs(place, OTHERS, "network", "newer")
    assert read_graphs(place, "network", "newer") is None
    if failing == 0:
        assert read_graphs(place, "network", "source") == GRAPHS
    else:
        with pytest.raises(DamagedGraphsError):
            read_graphs(place, "network", "source")
    assert sorted(path.name for path in place.iterdir()) == sorted([*NAMES, "graphs.json"])


def test_what_killed_writers_left_is_removed(place: Path) -> None:
    (place / ".writing-0123456789abcdef").write_bytes(b"half a gra")
    save_graphs(place, OTHERS, "network", "newer")
    assert sorted(path.name for path in place.iterdir()) == sorted([*NAMES, "graphs.json"])


def test_a_second_writer_leaves_it_to_the_first(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        (place / ".writing-0123456789abcdef").write_bytes(b"half a gra")
        save_graphs(place, OTHERS, "network", "newer")
        assert (place / ".writing-0123456789abcdef").exists(), "the first writes it still"
        assert read_graphs(place, "network", "source") == GRAPHS
    finally:
        os.close(handle)
    save_graphs(place, OTHERS, "network", "newer")
    assert read_graphs(place, "network", "newer") == OTHERS


def test_a_file_system_without_locks_is_written_all_the_same(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    save_graphs(place, OTHERS, "network", "newer")
    assert read_graphs(place, "network", "newer") == OTHERS
