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
    """Replaces a file by a JSON text, in one step.

    Args:
        path: The file.
        values: What to write.

    Raises:
        OSError: It cannot be written; the old file is untouched.
    """
    replace_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def replace_text(path: Path, text: str) -> None:
    """Replaces a file, in one step, so that it holds the old text or the new, also after a crash.

    Args:
        path: The file.
        text: What to write, as UTF-8; a lone surrogate, as in the name of a file that is not UTF-8,
            is written as JSON escapes it.

    Raises:
        OSError: It cannot be written; the old file is untouched.
    """
    with write_whole(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def copy_whole(source: Path, path: Path) -> None:
    """Replaces a file by a copy of another, in one step, reading it in pieces.

    Args:
        source: What to copy.
        path: The file.

    Raises:
        OSError: It cannot be read or written; the old file is untouched.
    """
    with source.open("rb") as original, write_whole(path) as file:
        shutil.copyfileobj(original, file)


@contextlib.contextmanager
def write_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a file for writing that takes its place only when everything is in it.

    A device or a named pipe is written directly.

    Args:
        path: The file; a link is followed.

    Yields:
        The file.

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
    try:
        with aside.open("xb") as file:
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


def remove_remains(directory: Path) -> None:
    """Removes what processes that were killed in `write_whole` have left in a directory.

    Args:
        directory: One in which nobody else is writing.
    """
    for remains in directory.glob(f"{ASIDE}*"):
        remains.unlink(missing_ok=True)


@contextlib.contextmanager
def plain_path(directory: Path) -> Iterator[str]:
    r"""Names a directory in a way that TensorFlow cannot misread.

    It takes `[`, `*`, `?` and `\` in a checkpoint's name for a pattern, and refuses names that are
    not UTF-8; the name that the system has for an open directory is free of all these.

    Args:
        directory: A directory that exists.

    Yields:
        Its other name, which holds inside the `with` block.

    Raises:
        OSError: It cannot be opened.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        name = f"/proc/self/fd/{handle}"
        yield name if os.path.isdir(name) else str(directory)
    finally:
        os.close(handle)


def read_json(path: Path) -> dict[str, Any]:
    """Reads a file with one JSON object.

    Args:
        path: The file.

    Returns:
        The object.

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
