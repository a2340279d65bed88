from __future__ import annotations

import codecs
import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chatbot.errors import ChatbotError
from chatbot.system import lines as streams
from chatbot.system.lines import LineReader, open_lines, replace_file


def read_through_pipe(pieces: Sequence[bytes]) -> list[streams.Line]:
    """Reads what a writer sends piece by piece."""
    source, sink = os.pipe()

    def send() -> None:
        for piece in pieces:
            os.write(sink, piece)
        os.close(sink)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return list(LineReader(source, "pipe"))
    finally:
        sender.join()
        os.close(source)


PIECES = [b"\n", b"\r\n", b"\r", b"\xe4\xbd", b"\xa0", codecs.BOM_UTF8, b"\xef", b"\xef\xbb"]


@given(st.lists(st.binary(max_size=12) | st.sampled_from(PIECES)))
def test_lines_end_in_lf_or_cr_lf_only(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    assume(not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)))
    content = content.removeprefix(codecs.BOM_UTF8)
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    lines = read_through_pipe(pieces)
    assert [line.text for line in lines] == [
        line.removesuffix(b"\r").decode("utf-8", "replace") for line in expected
    ]
    assert sum(line.size for line in lines) == len(content)
    assert not any(line.is_cut for line in lines)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_byte_order_mark_says_how_lines_are_written(encoding: str, size: int) -> None:
    texts = ["hello", "", "你好 \U0001f600", "\u0a00\u000d\u0d0a \ufeff", "/quit"]
    mark = "\ufeff" if encoding.startswith("utf-16-") else ""  # for the others Python writes it
    content = (mark + "\r\n".join(texts)).encode(encoding)
    pieces = [content[place : place + size] for place in range(0, len(content), size)]
    assert [line.text for line in read_through_pipe(pieces)] == texts


def test_half_a_mark_and_half_a_letter_are_no_text() -> None:
    assert read_through_pipe([]) == read_through_pipe([codecs.BOM_UTF8]) == []
    for content in (b"\xef", b"\xff", b"\xfe", b"\xff\xfea"):
        assert [line.text for line in read_through_pipe([content])] == ["\ufffd"]


def test_a_window_does_not_wait_for_more() -> None:
    source, sink = os.pipe()
    windows = LineReader(source, "pipe").windows()
    os.write(sink, b"one\ntwo\nthr")
    assert [line.text for line in next(windows)] == ["one", "two"]
    os.write(sink, b"ee\n")
    assert [line.text for line in next(windows)] == ["three"]
    os.close(sink)
    assert list(windows) == []
    os.close(source)


def test_windows_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "WINDOW_LINES", 5)
    monkeypatch.setattr(streams, "WINDOW_BYTES", 100)
    path = tmp_path / "lines"
    path.write_bytes(b"x\n" * 12 + b"y" * 500 + b"\n" + b"z\n" * 2)
    with open_lines(str(path)) as reader:
        windows = [[line.text for line in window] for window in reader.windows()]
    assert windows == [["x"] * 5, ["x"] * 5, ["x", "x", "y" * 500], ["z", "z"]]


def test_of_an_endless_line_the_beginning_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_LINE", 10)
    lines = read_through_pipe([b"a" * 10 + b"\n", b"b" * 8, b"b" * 8, b"\nc\n"])
    assert lines == [
        streams.Line("a" * 10, 11, False),
        streams.Line("b" * 10, 17, True),
        streams.Line("c", 2, False),
    ]


@pytest.mark.parametrize("name", ["missing", "."])
def test_an_input_that_cannot_be_read_is_one_line(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(ChatbotError, match="cannot be read"),
        open_lines(str(tmp_path / name)) as reader,
    ):
        list(reader)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_there_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with replace_file(str(path)) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["out"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def fail_midway(path: Path) -> None:
    with replace_file(str(path)) as file:
        file.write(b"half")
        raise KeyboardInterrupt


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        fail_midway(path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out"]


def test_a_replaced_file_keeps_its_mode_and_a_link_its_target(tmp_path: Path) -> None:
    path, link = tmp_path / "out", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    with replace_file(str(link)) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_device_is_written_not_replaced(tmp_path: Path) -> None:
    before = os.stat(os.devnull)
    with replace_file(os.devnull) as file:
        file.write(b"gone")
    assert os.stat(os.devnull).st_ino == before.st_ino
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@pytest.mark.parametrize("name", [".", "missing/out", "file/out"])
def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ChatbotError, match="--output=") as caught,
        replace_file(str(tmp_path / name)),
    ):
        pytest.fail("it was opened")
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["file"]


def write_to(path: str) -> None:
    with replace_file(path) as file:
        file.write(b"x")
        file.flush()


def test_a_full_disk_is_one_line() -> None:
    with pytest.raises(ChatbotError, match="cannot be written"):
        write_to("/dev/full")
