"""Runs a program that is killed in the middle: python dying.py PLACE NUMBER train.py [FLAG ...].

PLACE is encoding (before the pair of that number is written), checkpoint or graphs (before the file
operation of that number while checkpoints, or ONNX graphs, are written) or validation (before the
batch of that number is measured). The last line on standard output says where it died. NUMBER may
end in the name of another signal than SIGKILL, as in 5SIGINT.
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

    def __init__(self, calls: int, number: int = signal.SIGKILL) -> None:
        self._left = calls
        self._signal = number

    def tick(self, place: str) -> None:
        self._left -= 1
        if self._left == 0:
            os.write(1, f"died at {place}\n".encode())
            os.kill(os.getpid(), self._signal)


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
    die_inside(countdown, "checkpoint", "save", "checkpoints.py")


def die_while_writing_graphs(countdown: Countdown) -> None:
    die_inside(countdown, "graphs", "save_graphs", "files.py")


def die_inside(countdown: Countdown, place: str, function: str, file: str) -> None:
    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in OPERATIONS and is_inside(function, file):
            countdown.tick(f"{place}: {event} {arguments[0]}")

    sys.addaudithook(watch)


def is_inside(function: str, file: str) -> bool:
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        code = frame.f_code
        if code.co_name == function and code.co_filename.endswith(file):
            return True
    return False


PLACES = {
    "encoding": die_while_encoding,
    "checkpoint": die_while_saving,
    "graphs": die_while_writing_graphs,
    "validation": die_while_measuring,
}

if __name__ == "__main__":
    place, number, program, *flags = sys.argv[1:]
    sys.path.insert(0, os.getcwd())
    count, _, name = number.partition("SIG")
    PLACES[place](Countdown(int(count), signal.Signals[f"SIG{name or 'KILL'}"]))
    sys.argv = [program, *flags]
    runpy.run_path(program, run_name="__main__")
