"""How fast a training goes: measured, and shown in its progress bar."""

from __future__ import annotations

import sys
import time
from typing import Any

from tqdm import tqdm

LEFT_OUT = 2
"""First steps of a process, whose time says nothing about the others'."""


class Pace:
    """Measures target tokens a second of wall time, waiting for data counted.

    The first steps of a process are left out, in which TensorFlow optimises the graph, and so are
    reports, validations and checkpoints.
    """

    def __init__(self) -> None:
        """Starts with nothing measured."""
        self._left_out = LEFT_OUT
        self._since = 0.0
        self._tokens = 0
        self._seconds = 0.0

    def resume(self) -> None:
        """Goes on from now: what has passed since the last step does not count."""
        self._since = time.perf_counter()

    def add(self, tokens: int) -> None:
        """Counts the target tokens of the step that has just ended, and the time since the last."""
        now = time.perf_counter()
        if self._left_out:
            self._left_out -= 1
        else:
            self._tokens += tokens
            self._seconds += now - self._since
        self._since = now

    @property
    def tokens_per_second(self) -> float | None:
        """The mean since the last report, or None where all steps since then are left out."""
        return self._tokens / self._seconds if self._seconds else None

    def reset(self) -> None:
        """Starts a new report."""
        self._tokens, self._seconds = 0, 0.0

    def move(self, bar: Any) -> None:
        """Moves a bar from `make_bar` on by one step.

        Its clock starts after the steps that are left out, so that they do not distort the time
        that remains.
        """
        if self.tokens_per_second is not None:
            bar.update()
            return
        bar.n += 1
        bar.initial = bar.last_print_n = bar.n
        bar.unpause()
        bar.refresh()


def make_bar(total: int, done: int, hidden: bool) -> Any:
    """Makes the progress bar of a training, without tqdm's own speed, in which pauses count."""
    return tqdm(
        total=total,
        initial=done,
        desc="training",
        bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} steps [{elapsed}<{remaining}{postfix}]",
        mininterval=0.5,
        smoothing=0.05,
        dynamic_ncols=True,
        disable=hidden,
    )


def write_above(bar: Any, message: str) -> None:
    """Writes a line above a progress bar, or nothing where the bar is hidden."""
    if not bar.disable:
        bar.write(message, file=sys.stderr)
