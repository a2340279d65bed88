"""Lines from files, pipes and terminals.

A line ends in LF or CR LF and nowhere else; the last one may lack it. A byte order mark at the
beginning is dropped; that of UTF-16 says how the rest is written, which without it is UTF-8. Bytes
that are not become U+FFFD. Reading holds a window of lines in memory, at most `WINDOW_LINES` of
them and, except for its last line, no more than `WINDOW_BYTES`, and of any line at most `MAX_LINE`
bytes.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import select
from collections.abc import Iterator
from typing import NamedTuple

from chatbot.errors import ChatbotError

WINDOW_LINES = 512
WINDOW_BYTES = 1 << 20
MAX_LINE = 1 << 24
"""Bytes of a line that are kept."""
_PIECE = 1 << 16
_UTF_8 = codecs.BOM_UTF8
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Line(NamedTuple):
    """One line.

    Attributes:
        text: The line without its end.
        size: Its bytes in UTF-8, its end counted.
        is_cut: Whether it was longer than `MAX_LINE` and the rest was dropped.
    """

    text: str
    size: int
    is_cut: bool


class LineReader:
    """Reads lines from a file descriptor as they come."""

    def __init__(self, descriptor: int, name: str) -> None:
        """Starts where the descriptor stands.

        Args:
            descriptor: What to read; nobody else may have read ahead in it.
            name: Its name in messages.
        """
        self.name = name
        self._descriptor = descriptor
        self._pieces: list[bytes] = []  # of the line that has not ended yet
        self._size = 0
        self._recoder = _Recoder()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def __iter__(self) -> Iterator[Line]:
        """Yields one line after the other, waiting for each."""
        for window in self.windows():
            yield from window

    def windows(self) -> Iterator[list[Line]]:
        """Yields lines in groups; no line waits for one that is not there yet.

        Yields:
            At least one line.

        Raises:
            ChatbotError: Reading failed.
        """
        window: list[Line] = []
        size = 0
        while True:
            if window and not self._is_ready():
                yield window
                window, size = [], 0
            piece = self._read_piece()
            for line in self._cut(self._recoder.recode(piece), is_last=not piece):
                window.append(line)
                size += line.size
                if len(window) >= WINDOW_LINES or size >= WINDOW_BYTES:
                    yield window
                    window, size = [], 0
            if not piece:
                break
        if window:
            yield window

    def _is_ready(self) -> bool:
        return bool(self._poll.poll(0))

    def _read_piece(self) -> bytes:
        try:
            return os.read(self._descriptor, _PIECE)
        except OSError as error:
            raise ChatbotError(
                f"{self.name} cannot be read ({error.strerror}); mend that"
            ) from None

    def _cut(self, piece: bytes, is_last: bool) -> Iterator[Line]:
        """Yields the lines that end in a piece, or at the end of everything."""
        *ended, rest = piece.split(b"\n")
        for part in ended:
            self._keep(part)
            yield self._finish(1)
        self._keep(rest)
        if is_last and self._size:
            yield self._finish(0)

    def _keep(self, part: bytes) -> None:
        room = MAX_LINE - self._size
        if part and room > 0:
            self._pieces.append(part[:room])
        self._size += len(part)

    def _finish(self, end: int) -> Line:
        content = b"".join(self._pieces).removesuffix(b"\r")
        line = Line(content.decode("utf-8", "replace"), self._size + end, self._size > MAX_LINE)
        self._pieces, self._size = [], 0
        return line


class _Recoder:
    """Takes a byte order mark off the beginning of a text, and writes UTF-16 as UTF-8."""

    def __init__(self) -> None:
        self._held: bytes | None = b""  # what may be half a mark; None after the beginning
        self._decoder: codecs.IncrementalDecoder | None = None

    def recode(self, piece: bytes) -> bytes:
        """Recodes the bytes that were read; none at the end."""
        is_last = not piece
        if self._held is not None:
            piece = self._held + piece
            if not is_last and any(mark.startswith(piece) for mark in (_UTF_8, *_UTF_16)):
                self._held = piece
                return b""
            self._held = None
            piece = piece.removeprefix(_UTF_8)
            if piece.startswith(_UTF_16):
                self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
        return piece if self._decoder is None else self._decoder.decode(piece, is_last).encode()


@contextlib.contextmanager
def open_lines(path: str) -> Iterator[LineReader]:
    """Opens a file, or "-" for standard input, for reading lines.

    Raises:
        ChatbotError: It cannot be opened.
    """
    if path == "-":
        yield LineReader(0, "standard input")
        return
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ChatbotError(
            f"--input={path} cannot be read ({reason}); name a file, or - for standard input"
        ) from None
    with file:
        yield LineReader(file.fileno(), path)
