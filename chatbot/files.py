"""Files that are whole or absent: replaced in one step, flushed, hashed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from chatbot.errors import ChatbotError


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
        text: What to write, as UTF-8.

    Raises:
        OSError: It cannot be written; the old file is untouched.
    """
    aside = path.with_name(path.name + ".writing")
    aside.write_text(text, encoding="utf-8")
    flush_to_disk(aside)
    os.replace(aside, path)
    flush_to_disk(path.parent)


def copy_whole(source: Path, path: Path) -> None:
    """Replaces a file by a copy of another, in one step, reading it in pieces.

    Args:
        source: What to copy.
        path: The file.

    Raises:
        OSError: It cannot be read or written; the old file is untouched.
    """
    aside = path.with_name(path.name + ".writing")
    shutil.copyfile(source, aside)
    flush_to_disk(aside)
    os.replace(aside, path)
    flush_to_disk(path.parent)


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
