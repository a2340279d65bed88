"""Directories that are whole or absent."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from chatbot.errors import ChatbotError
from chatbot.storage.checkpoints import unwritable
from chatbot.system.files import ASIDE, flush_to_disk


def check_output(output: str) -> Path:
    """Checks that a directory can be written, before any work.

    Returns:
        Its path, links followed.

    Raises:
        ChatbotError: There is something already, or no directory around it.
    """
    target = Path(os.path.realpath(output))
    try:
        if target.exists() and not target.is_dir():
            raise ChatbotError(f"--output={output} is a file; name a directory")
        if target.exists() and any(target.iterdir()):
            raise ChatbotError(
                f"--output={output} is not empty; remove it or name another directory"
            )
        if not target.parent.is_dir():
            raise ChatbotError(
                f"--output={output}: {target.parent} is no directory; make it first, or name "
                "another directory"
            )
    except OSError as error:
        raise unwritable(target, error) from None
    return target


@contextlib.contextmanager
def write_directory(output: str) -> Iterator[Path]:
    """Makes a directory that takes its place only when everything is in it and on the disk.

    Yields:
        A directory beside it, for the content.

    Raises:
        ChatbotError: It cannot be written; nothing is left.
    """
    target = check_output(output)
    aside = target.with_name(f"{ASIDE}{secrets.token_hex(8)}")
    try:
        aside.mkdir()
        yield aside
        for path in (aside, *aside.rglob("*")):
            flush_to_disk(path)
        os.replace(aside, target)  # fails where somebody else has written there meanwhile
        with contextlib.suppress(OSError):  # not every file system can, or lets everybody
            flush_to_disk(target.parent)
    except (OSError, tf.errors.OpError) as error:
        raise unwritable(target, error) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
