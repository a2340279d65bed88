"""Stopping a long run with everything saved."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any

from chatbot.errors import ChatbotError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
IMPATIENCE = 1.0
"""Seconds after which a second Ctrl-C counts: make and shells pass the first on twice."""


class Stopped(BaseException):
    """Somebody asked to stop while there was nothing to save."""


class StopRequest:
    """Turns Ctrl-C, SIGTERM and SIGHUP inside a `with` block, the clock, or an event into a flag.

    A second Ctrl-C, a second or more after the first, raises KeyboardInterrupt as usual. Signals
    that the program was started to ignore, as by nohup, stay ignored. Outside the main thread,
    where Python allows no handler, signals are left alone.

    Attributes:
        signal_number: The signal that was received, or None.
    """

    def __init__(self, max_minutes: float = 0.0, event: threading.Event | None = None) -> None:
        """Starts the clock.

        Args:
            max_minutes: Minutes from now to the request; 0 for no limit.
            event: Makes the request when it is set, in any thread.
        """
        self._events = [threading.Event(), *([event] if event else [])]
        self._end = time.monotonic() + 60 * max_minutes if max_minutes else math.inf
        self.signal_number: int | None = None
        self._first = 0.0
        self._before: dict[int, Any] = {}
        self._ended = False

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop, or the time is up."""
        asked = self.signal_number is not None or any(event.is_set() for event in self._events)
        return asked or time.monotonic() >= self._end

    def make(self) -> None:
        """Makes the request, in any thread."""
        self._events[0].set()

    def check(self) -> None:
        """Raises `Stopped` if somebody asked to stop; for work that has nothing to save."""
        if self.requested:
            raise Stopped

    def __enter__(self) -> StopRequest:
        self._before = set_handlers(self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        restore_handlers(self._before)

    def end_politely(self, work: Callable[[], int]) -> int:
        """Runs work that has something to save only inside its own `with` blocks of this request.

        Args:
            work: Returns the exit status; a signal outside those blocks ends it at once.

        Returns:
            The exit status: that of `work`, or 128 + the signal's number.
        """
        before = set_handlers(self._end_work)
        try:
            with _silent_where_nobody_can_raise():
                return work()
        except ChatbotError:
            raise
        except BaseException:
            # A module that was being loaded may have made another error of it.
            if not self._ended:
                raise
        finally:
            restore_handlers(before)
        # Only now are progress bars and other open things closed.
        sys.stderr.write("stopped; nothing is lost, run the same command to go on\n")
        return 128 + (self.signal_number or 0)

    def _end_work(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is not None and time.monotonic() - self._first <= IMPATIENCE:
            return
        # Noted too, because exceptions raised inside a destructor are dropped.
        self.signal_number, self._first, self._ended = number, time.monotonic(), True
        raise Stopped

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is None:
            self.signal_number, self._first = number, time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._first > IMPATIENCE:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _silent_where_nobody_can_raise() -> Iterator[None]:
    """Keeps a `Stopped` off the screen that C++ or a destructor has caught: both print it."""
    before = sys.excepthook, sys.unraisablehook
    sys.excepthook = lambda kind, *rest: None if kind is Stopped else before[0](kind, *rest)
    sys.unraisablehook = lambda found: None if found.exc_type is Stopped else before[1](found)
    try:
        yield
    finally:
        sys.excepthook, sys.unraisablehook = before


@contextlib.contextmanager
def deferring_signals() -> Iterator[None]:
    """Holds signals back until the block ends, and then lets the handlers from before have them.

    An exception that a handler raises while TensorFlow traces a graph can crash it.
    """
    received: list[int] = []
    before = set_handlers(lambda number, frame: received.append(number))
    try:
        yield
    finally:
        restore_handlers(before)
        for number in received[:1]:
            signal.raise_signal(number)


def set_handlers(handler: Any, numbers: Iterable[signal.Signals] = SIGNALS) -> dict[int, Any]:
    """Installs a handler for signals that are not ignored, where Python lets this thread do so.

    Returns:
        {number: the handler before}, for `restore_handlers`.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in heeded}


def restore_handlers(before: Mapping[int, Any]) -> None:
    """Undoes `set_handlers`; takes what it returned."""
    for number, handler in before.items():
        signal.signal(number, handler)
