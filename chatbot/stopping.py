"""Stopping a long run politely."""

from __future__ import annotations

import math
import signal
import time
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
IMPATIENCE = 1.0
"""Seconds after which a second Ctrl-C is meant; make and shells pass one on twice."""


class StopRequest:
    """Turns Ctrl-C, SIGTERM and SIGHUP inside a `with` block, or the clock, into a flag.

    A second Ctrl-C, a second or more after the first, raises KeyboardInterrupt as usual.

    Attributes:
        signal_number: The signal that came, or None.
    """

    def __init__(self, max_minutes: float = 0.0) -> None:
        """Makes a request that nobody has made yet.

        Args:
            max_minutes: Minutes from now after which it makes itself; 0 for never.
        """
        self._end = time.monotonic() + 60 * max_minutes if max_minutes else math.inf
        self.signal_number: int | None = None
        self._first = 0.0
        self._before: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop, or the time is over."""
        return self.signal_number is not None or time.monotonic() >= self._end

    def __enter__(self) -> StopRequest:
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is None:
            self.signal_number, self._first = number, time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._first > IMPATIENCE:
            raise KeyboardInterrupt
