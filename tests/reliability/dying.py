"""Runs a program that is killed in the middle: python dying.py PLACE NUMBER train.py [FLAG ...].

PLACE is encoding (before the pair of that number is written), checkpoint (before the file operation
of that number while checkpoints are written) or validation (before the batch of that number is
measured). The last line on standard output says where it died.
"""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import sys
from collections.abc import Iterator
from typing import Any

OPERATIONS = {"open", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.rmdir"}


class Countdown:
    """Kills the process when it has been called a number of times."""

    def __init__(self, calls: int) -> None:
        self._left = calls

    def tick(self, place: str) -> None:
        self._left -= 1
        if self._left == 0:
            os.write(1, f"died at {place}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)


def die_while_encoding(countdown: Countdown) -> None:
    encoding: Any = importlib.import_module("chatbot.dataset.encode")
    read = encoding.read_pairs

    def read_and_die(*arguments: Any) -> Iterator[Any]:
        for pair in read(*arguments):
            countdown.tick("encoding")
            yield pair

    encoding.read_pairs = read_and_die


def die_while_measuring(countdown: Countdown) -> None:
    computation: Any = importlib.import_module("chatbot.training.computation").Computation
    measure = computation.sum_losses

    def measure_and_die(*arguments: Any) -> Any:
        countdown.tick("validation")
        return measure(*arguments)

    computation.sum_losses = measure_and_die


def die_while_saving(countdown: Countdown) -> None:
    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in OPERATIONS and is_saving():
            countdown.tick(f"checkpoint: {event} {arguments[0]}")

    sys.addaudithook(watch)


def is_saving() -> bool:
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        code = frame.f_code
        if code.co_name == "save" and code.co_filename.endswith("checkpoints.py"):
            return True
    return False


PLACES = {
    "encoding": die_while_encoding,
    "checkpoint": die_while_saving,
    "validation": die_while_measuring,
}

if __name__ == "__main__":
    place, number, program, *flags = sys.argv[1:]
    sys.path.insert(0, os.getcwd())
    PLACES[place](Countdown(int(number)))
    sys.argv = [program, *flags]
    runpy.run_path(program, run_name="__main__")
