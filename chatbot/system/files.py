"""Files that are whole or absent: replaced in one step, flushed, hashed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from chatbot.errors import ChatbotError

ASIDE = ".writing-"
"""Begins the names of files that are not whole yet."""


def write_json(path: Path, values: Any) -> None:
    """Replaces a file by a JSON text; see `write_whole`."""
    replace_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def replace_text(path: Path, text: str) -> None:
    """Replaces a file by a text in UTF-8; see `write_whole`.

    A lone surrogate, as in the name of a file that is not UTF-8, is written as JSON escapes it.
    """
    with write_whole(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def copy_whole(source: Path, path: Path) -> None:
    """Replaces a file by a copy of another, which is read in pieces; see `write_whole`."""
    with source.open("rb") as original, write_whole(path) as file:
        shutil.copyfileobj(original, file)


@contextlib.contextmanager
def write_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a file for writing that takes its place only when everything is in it and on the disk.

    A link is followed; a device or a named pipe is written directly.

    Raises:
        OSError: It cannot be written. What was there before is untouched, and nothing is left.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(13, "it is read-only")
    aside = target.with_name(f"{ASIDE}{secrets.token_hex(8)}")
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666
    try:
        # At no time may others read what they may not read in the end.
        with open(aside, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, aside)
        os.replace(aside, target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # not every file system can, or lets everybody
        flush_to_disk(target.parent)


@contextlib.contextmanager
def replace_output(path: str) -> Iterator[BinaryIO]:
    """Opens the file of `--output` for writing; see `write_whole`.

    Raises:
        ChatbotError: It cannot be written. What was there before is untouched.
    """
    try:
        if os.path.isdir(path):
            raise ChatbotError(f"--output={path} is a directory; name a file in it")
        with write_whole(path) as file:
            yield file
    except OSError as error:
        raise ChatbotError(
            f"--output={path} cannot be written ({error.strerror or error}); "
            "free space or name another file, or - for standard output"
        ) from None


def remove_remains(directory: Path) -> None:
    """Removes what killed processes left of `write_whole` in a directory that nobody writes."""
    for remains in directory.glob(f"{ASIDE}*"):
        remains.unlink(missing_ok=True)


@contextlib.contextmanager
def plain_path(directory: Path) -> Iterator[str]:
    r"""Names a directory in a way that TensorFlow cannot misread.

    It takes `[`, `*`, `?` and `\` in a checkpoint's name for a pattern, and refuses names that are
    not UTF-8; the name that the system has for an open directory is free of all these.

    Yields:
        Its other name, which holds inside the `with` block.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        name = f"/proc/self/fd/{handle}"
        yield name if os.path.isdir(name) else str(directory)
    finally:
        os.close(handle)


def read_json(path: Path) -> dict[str, Any]:
    """Reads a file with one JSON object.

    Raises:
        ChatbotError: The file cannot be read or holds no object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ChatbotError(f"{path} cannot be read ({error.strerror}); mend that") from None
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise ChatbotError(f"{path}:{line} is not JSON; restore the file or train again") from None
    if not isinstance(values, dict):
        raise ChatbotError(f"{path}:1 is not a JSON object; restore the file or train again")
    return values


def hash_file(path: Path) -> str:
    """Returns a file's SHA-256 in hexadecimal, reading it in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def flush_to_disk(path: Path) -> None:
    """Waits until a file's bytes, or a directory's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
