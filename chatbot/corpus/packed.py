"""Files packed with gzip, bzip2 or xz, read in bounded memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import IO, Any, cast

from chatbot.errors import ChatbotError

SUFFIXES = (".gz", ".bz2", ".xz")
DAMAGED = (gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError)
"""What reading a damaged file raises, beside an `OSError` without a number."""
# Text packs to a third, lists of one sentence to a fiftieth; a bomb to a thousandth and less.
MAX_RATIO = 100
SMALL = 64 << 20
"""Bytes unpacked, below which the ratio does not matter."""

_START = re.compile(rb"(\x1f\x8b\x08)|(BZh[1-9](?:1AY&SY|\x17rE8P\x90))|(\xfd7zXZ\0)")
_OPENERS: tuple[Callable[..., Any], ...] = (gzip.open, bz2.open, lzma.open)


def strip_suffix(file_name: str) -> str:
    """Returns the name of the text in a packed file: of `a.tsv.gz` it is `a.tsv`."""
    path = PurePosixPath(file_name)
    return path.stem if path.suffix.lower() in SUFFIXES else file_name


def unpack(file: IO[bytes], name: str, size: int) -> IO[bytes]:
    """Returns the file itself, or what is packed in it.

    `tell` and `fileno` are always the file's own, so that the share of it that is read can be told.

    Args:
        file: The file at its beginning; it can be peeked into.
        name: Its name in messages.
        size: Its bytes.

    Raises:
        ChatbotError: The name is a packed file's, the content is not. While reading, a bomb.
    """
    start = _START.match(file.peek(10))  # type: ignore[attr-defined]
    if start is not None and start.lastindex:
        content = _OPENERS[start.lastindex - 1](file)
        return cast(IO[bytes], _Unpacked(file, content, name, size))
    if name.lower().endswith(SUFFIXES) and size:
        suffix = name[name.rfind(".") :]
        raise ChatbotError(
            f"{name}: this is no {suffix} file; fetch it again, or, if it is unpacked already, "
            f"rename it without {suffix}"
        )
    return file


class _Unpacked(io.BufferedIOBase):
    """What is packed in a file."""

    def __init__(self, packed: IO[bytes], content: Any, name: str, size: int) -> None:
        self._packed, self._content, self._name = packed, content, name
        self._given = 0
        self._most = max(SMALL, MAX_RATIO * size)

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._count(self._content.read(-1 if size is None else size))

    def read1(self, size: int = -1, /) -> bytes:
        return self._count(self._content.read1(size))

    def tell(self) -> int:
        return self._packed.tell()

    def fileno(self) -> int:
        return self._packed.fileno()

    def _count(self, data: bytes) -> bytes:
        self._given += len(data)
        if self._given > self._most:
            raise ChatbotError(
                f"{self._name}: unpacks to more than {self._most:,} bytes, more than text can be "
                "packed; if you trust it, unpack it and give the file"
            )
        return data
