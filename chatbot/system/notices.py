"""Keeps TensorFlow's and tensorflow_addons' start-up notices off the screen, and nothing else.

The notices below say nothing about the work at hand, cannot all be switched off, and come from C++
straight to file descriptor 2, whatever the log level. So a small process of its own reads that
descriptor line by line and passes on every line that is not exactly one of them. It outlives a
crash of this process, whose last words therefore arrive. Python's own `sys.stderr` does not go
through it and is still the terminal for whoever asks (progress bars, line editing).
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import re
import select
import signal
import sys
import time
import warnings

from chatbot.system.terminal import write_errors_to

_NOTICES = (
    rb"\S*cuda_(?:dnn|fft|blas)\.cc:\d+\] Unable to register cu\w+ factory: Attempting to register "
    rb"factory for plugin cu\w+ when one has already been registered",
    rb"\S*cpu_feature_guard\.cc:\d+\] This TensorFlow binary is optimized to use available CPU "
    rb"instructions in performance-critical operations\.",
    rb"\S*/port\.cc:\d+\] oneDNN custom operations are on\. .*",
    rb"\S*cudart_stub\.cc:\d+\] Could not find cuda drivers on your machine, "
    rb"GPU will not be used\.",
    rb"\S*tf2tensorrt/\S+\.cc:\d+\] TF-TRT Warning: Could not find TensorRT",
    rb"op_level_cost_estimator\.cc:\d+\] Error in PredictCost\(\) for the op: .*",
)
_OLD_PREFIX = rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] "
_NEW_PREFIX = rb"[IWE]\d{4} \d\d:\d\d:[\d.]+ +\d+ "
_NOISE = re.compile(
    rb"(?:(?:" + _OLD_PREFIX + rb"|" + _NEW_PREFIX + rb")(?:" + rb"|".join(_NOTICES) + rb"))"
    rb"|To enable the following instructions: [\w. ]+, in other operations, rebuild TensorFlow "
    rb"with the appropriate compiler flags\."
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
)
_PATIENCE = 0.2  # seconds that the beginning of a line is kept back to see whether it is a notice
_MAX_LINE = 1 << 16  # bytes of it
_is_hushed = False
_filter: tuple[int, int, int] | None = None  # where it writes, its process, and whose it is


def hush() -> None:
    """Filters the known notices from now to the end of the program; call it before TensorFlow.

    Everything else that is written to file descriptor 2 arrives, at a crash too. Where descriptor
    2 is closed or no process can be made, nothing changes.
    """
    global _is_hushed
    warnings.filterwarnings(
        "ignore",
        r"\s*TensorFlow Addons \(TFA\) has ended development",
        UserWarning,
        r"tensorflow_addons\.utils\.tfa_eol_msg",
    )
    if not _is_hushed:
        _is_hushed = True
        with contextlib.suppress(OSError):
            _divert()


def silence() -> None:
    """Drops what is written to descriptor 2 from now on, so that the last line is `sys.stderr`'s.

    What was written before arrives. Where `hush` filters nothing, nothing changes.
    """
    if _filter is not None:
        atexit.unregister(_undo)
        nothing = os.open(os.devnull, os.O_WRONLY)
        _undo(nothing, *_filter[1:])
        os.close(nothing)


def is_noise(line: bytes) -> bool:
    """Tells whether a line is exactly one of the known notices.

    Args:
        line: The line, without its end.
    """
    return _NOISE.fullmatch(line) is not None


def copy_filtered(source: int, target: int) -> None:
    """Copies lines from one file descriptor to another until the end, leaving out the notices.

    The beginning of a line waits at most 0.2 seconds for its end, and 65,536 bytes of it.

    Args:
        source: What to read, with a `fileno` that can be polled.
        target: What to write; once nobody reads it, the rest is read and dropped.
    """
    poll, pending = select.poll(), b""
    poll.register(source, select.POLLIN)
    while True:
        if pending and not poll.poll(_PATIENCE * 1000):
            _write(target, pending)
            pending = b""
        piece = os.read(source, 1 << 16)
        if not piece:
            break
        *lines, pending = (pending + piece).split(b"\n")
        _write(target, b"".join(line + b"\n" for line in lines if not is_noise(line)))
        if len(pending) > _MAX_LINE:
            _write(target, pending)
            pending = b""
    if not is_noise(pending):
        _write(target, pending)


def _write(target: int, content: bytes) -> None:
    with contextlib.suppress(OSError):
        while content:
            content = content[os.write(target, content) :]


def _divert() -> None:
    """Puts the filtering process behind descriptor 2, and `sys.stderr` past it."""
    global _filter
    direct = os.dup(2)
    source, sink = os.pipe()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _filter_to_the_end(source, direct)
    os.close(source)
    os.dup2(sink, 2)
    os.close(sink)
    write_errors_to(direct)
    _filter = direct, child, os.getpid()
    atexit.register(_undo, *_filter)


def _filter_to_the_end(source: int, target: int) -> None:
    """Is the whole life of the filtering process."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)  # it ends when its input does
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):  # else a reader of our output would wait for this process
            os.dup2(nothing, descriptor)
        for low, high in _gaps(source, target, nothing):
            os.closerange(low, high)
        copy_filtered(source, target)
    finally:
        os._exit(0)


def _gaps(*kept: int) -> list[tuple[int, int]]:
    """Returns the ranges of descriptors above 2 without those that are kept."""
    bounds = [2, *sorted(kept), os.sysconf("SC_OPEN_MAX")]
    return [(low + 1, high) for low, high in itertools.pairwise(bounds)]


def _undo(target: int, child: int, owner: int) -> None:
    """Leads descriptor 2 to another file and waits until the filter has passed on what it holds."""
    if os.getpid() != owner:  # a process forked from this one has nothing to give back
        return
    sys.stderr.flush()
    os.dup2(target, 2)
    with contextlib.suppress(ChildProcessError):
        for _ in range(500):  # not for ever: a process started from this one may still write
            if os.waitpid(child, os.WNOHANG)[0]:
                break
            time.sleep(0.01)
