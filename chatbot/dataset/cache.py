"""Directories that are whole or absent: built aside under a lock, flushed, then renamed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from absl import logging

from chatbot.errors import ChatbotError
from chatbot.system.files import flush_to_disk

_KEY = re.compile("[0-9a-f]{32}")
_BUILDING = ".building-"
_LOCK = ".encoding-lock"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def find_or_build(
    cache_dir: Path,
    key: str,
    is_whole: Callable[[Path], bool],
    build: Callable[[Path], None],
) -> Path:
    """Returns the directory `cache_dir/key`, building it first where it is absent or damaged.

    A process that dies while building leaves nothing that is ever used: the next one to build
    removes its remains. Two processes that want to build take turns, and the second then finds
    what the first has made.

    Args:
        cache_dir: Where the directories live; made if it is missing.
        key: Name of the directory, a hash of all that its content depends on.
        is_whole: Tells whether a directory has all its files; must be False for an absent one.
        build: Writes and flushes the files into the empty directory it is given.

    Raises:
        ChatbotError: The directory cannot be written, or `build` raised it.
    """
    directory = cache_dir / key
    if is_whole(directory):
        return directory
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _lock(cache_dir):
            _remove_remains(cache_dir)
            # The process that held the lock until now may have built the same.
            if not is_whole(directory):
                _build_aside(directory, build)
    except OSError as error:
        raise ChatbotError(_explain(cache_dir, error)) from error
    return directory


def link_from(places: Iterable[Path], target: Path, is_whole: Callable[[Path], bool]) -> bool:
    """Fills an empty directory with hard links to the files of the first whole one of several.

    Returns:
        Whether there was one, on the same file system, that may be linked to.
    """
    for place in filter(is_whole, places):
        with contextlib.suppress(OSError):
            for entry in place.iterdir():
                os.link(entry, target / entry.name)
        if is_whole(target):
            return True
        for entry in target.iterdir():
            entry.unlink()
    return False


def keep_only(cache_dir: Path, kept: Collection[Path]) -> None:
    """Removes all directories that `find_or_build` has made, except some and what it may not."""
    for entry in cache_dir.iterdir():
        if _KEY.fullmatch(entry.name) and entry not in kept:
            shutil.rmtree(entry, ignore_errors=True)


@contextlib.contextmanager
def _lock(cache_dir: Path) -> Iterator[None]:
    # flock and not a file's presence: the kernel takes the lock from a process that dies.
    with open(cache_dir / _LOCK, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logging.info("%s: another process is encoding here; waiting for it", cache_dir)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_remains(cache_dir: Path) -> None:
    # Only the lock's holder builds, so whatever is half-built now belongs to a dead process.
    for remains in cache_dir.glob(_BUILDING + "*"):
        shutil.rmtree(remains, ignore_errors=True)


def _build_aside(directory: Path, build: Callable[[Path], None]) -> None:
    aside = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=directory.parent))
    try:
        # mkdtemp closes the directory to others, whatever the umask says.
        aside.chmod(directory.parent.stat().st_mode & 0o777)
        (aside / "new").mkdir()
        build(aside / "new")
        flush_to_disk(aside / "new")
        if directory.exists():
            os.replace(directory, aside / "damaged")
        os.replace(aside / "new", directory)
        flush_to_disk(directory.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _explain(cache_dir: Path, error: OSError) -> str:
    if error.errno in _FULL:
        cure = "free some space there or choose another directory"
    else:
        cure = "make it writable or choose another directory"
    return f"{cache_dir}: the encoded corpus cannot be written ({error.strerror or error}); {cure}"
