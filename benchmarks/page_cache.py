"""Drops files from the system's page cache, so that reading them is as slow as the first time."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import numpy as np

PATHS = ("stdlib", "purelib", "platlib")
"""What `sysconfig` calls the directories of the interpreter's modules and packages."""
PACKAGES = "site-packages"
LIBC = ctypes.CDLL(None, use_errno=True)


def find_modules() -> set[Path]:
    """Returns the directories of the interpreter's modules and of the installed packages."""
    return {Path(sysconfig.get_path(name)) for name in PATHS}


def list_files(places: Iterable[Path]) -> list[Path]:
    """Lists the files below directories; packages that lie inside another directory are left out.

    A virtual environment's modules are those of the Python that it was made from, and beside these
    are that Python's own packages, which nothing reads.
    """
    found = []
    for place in places:
        for directory, inner, names in os.walk(place):
            inner[:] = [name for name in inner if name != PACKAGES]
            found += [Path(directory, name) for name in names]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def drop(files: Iterable[Path]) -> int:
    """Asks the system to forget what it keeps of files in memory.

    It forgets neither what is not on the disk yet nor what a running process has mapped, as
    libraries are, nor the files' names and places on the disk, nor what the disk itself keeps.

    Args:
        files: The files.

    Returns:
        Bytes that are still kept.
    """
    left = 0
    for path in files:
        # One may have gone meanwhile, as while a package is installed.
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            left += count_kept(file.fileno())
    return left


def count_kept(descriptor: int) -> int:
    """Counts the bytes of an open file that are in memory, in whole pages."""
    size = os.fstat(descriptor).st_size
    if size == 0:
        return 0
    with mmap.mmap(descriptor, size, mmap.MAP_PRIVATE) as mapped:
        pages = np.zeros(-(-size // mmap.PAGESIZE), np.uint8)
        start = np.frombuffer(mapped, np.uint8)
        given = (ctypes.c_void_p(start.ctypes.data), ctypes.c_size_t(size))
        if LIBC.mincore(*given, ctypes.c_void_p(pages.ctypes.data)):
            raise OSError(ctypes.get_errno(), "mincore failed")
        del start  # the file cannot be unmapped before
    return mmap.PAGESIZE * int(np.count_nonzero(pages & 1))
