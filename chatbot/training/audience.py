"""Who hears of a training: a person at a terminal, a program, or nobody."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Audience:
    """Where a training's lines, progress bars and reports go.

    Attributes:
        is_shown: Whether lines and bars are written to standard error.
        on_report: Called with each report, {figure: value}, once it is written.
    """

    is_shown: bool = True
    on_report: Callable[[dict[str, Any]], object] | None = None

    def say(self, message: str) -> None:
        """Shows a line."""
        if self.is_shown:
            with contextlib.suppress(OSError):  # nobody may be there to read it any more
                sys.stderr.write(f"{message}\n")
                sys.stderr.flush()

    def report(self, report: dict[str, Any]) -> None:
        """Hands a report over."""
        if self.on_report is not None:
            self.on_report(report)
