from __future__ import annotations

import codecs
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chatbot.errors import ChatbotError
from chatbot.system import lines as streams
from chatbot.system.lines import LineReader, open_lines


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
