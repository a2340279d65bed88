"""A process that was forked lacks the threads that compute, and would wait for them for ever."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator


def refuse_fork() -> None:
    """Checks that this process can compute.

    Raises:
        RuntimeError: It was forked from one that had loaded a model or trained.
    """
    if _find_first_user() != os.getpid():
        raise RuntimeError(
            "this process was forked from one that had loaded a model or trained, and lacks its "
            "threads; load after the fork only (gunicorn: without --preload), or start processes "
            "with multiprocessing's spawn"
        )


@functools.cache
def _find_first_user() -> int:
    """Returns the process that asked first, which this one may have been forked from."""
    return os.getpid()


@contextlib.contextmanager
def taking_turns(lock: threading.Lock) -> Iterator[None]:
    """Holds a lock while something is computed; raises what `refuse_fork` raises."""
    refuse_fork()  # first: whichever thread held the lock is not in a forked process
    with lock:
        yield
