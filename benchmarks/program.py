"""Times predict.py from outside, as a person or a program meets it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.memory import read_peak_memory, watch

Settings = Mapping[str, Any]
"""{flag: value} for predict.py, `model_dir` among them."""

PROGRAM = Path(__file__).resolve().parents[1] / "predict.py"
PROMPT = b"> "
PATIENCE = 120
"""Seconds after which a program that shows nothing counts as stuck."""


def time_prompt(settings: Settings) -> float:
    """Starts predict.py on a terminal and ends it once it prompts.

    Args:
        settings: Its flags.

    Returns:
        Seconds from the start to the prompt.
    """
    screen, terminal = pty.openpty()
    variables = {
        "TERM": "xterm",
        "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody here could say where the cursor is
        # The history is not the user's own.
        "XDG_STATE_HOME": str(Path(settings["model_dir"]).parent),
    }
    environment = {**os.environ, **variables}
    begin = time.perf_counter()
    with subprocess.Popen(
        _command(settings), stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    ) as program:
        os.close(terminal)
        try:
            read_until(screen, PROMPT)
            return time.perf_counter() - begin
        finally:
            program.kill()
            os.close(screen)


def time_first_answer(settings: Settings, query: str) -> tuple[float, int]:
    """Starts predict.py with a line in its pipe.

    Args:
        settings: Its flags.
        query: The line.

    Returns:
        Seconds from the start to the end of the answer, and the most bytes that were resident.
    """
    begin = time.perf_counter()
    with subprocess.Popen(
        _command(settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as program:
        if program.stdin is None or program.stdout is None:
            raise RuntimeError("the program has no pipes")
        program.stdin.write(query.encode() + b"\n")
        read_until(program.stdout.fileno(), b"\n\n")
        seconds = time.perf_counter() - begin
        memory = read_peak_memory(str(program.pid))
        program.stdin.close()
    return seconds, memory


def answer_file(settings: Settings, queries: Path) -> tuple[float, int]:
    """Answers a file with predict.py.

    Args:
        settings: Its other flags.
        queries: The file, a query a line.

    Returns:
        Seconds from the start to the end of the program, and the most bytes that were resident.

    Raises:
        RuntimeError: The program failed.
    """
    files = {"input": queries, "output": queries.with_suffix(".jsonl")}
    begin = time.perf_counter()
    with subprocess.Popen(_command({**settings, **files})) as program:
        memory = watch(program, read_peak_memory)
    if program.returncode:
        raise RuntimeError(f"predict.py: status {program.returncode}")
    return time.perf_counter() - begin, memory


def read_until(descriptor: int, sign: bytes) -> bytes:
    """Reads until something is shown.

    Args:
        descriptor: Where to read.
        sign: What to wait for.

    Returns:
        All that was read.

    Raises:
        TimeoutError: Nothing was shown for `PATIENCE` seconds.
        EOFError: The program ended.
    """
    shown = b""
    while sign not in shown:
        if not select.select([descriptor], [], [], PATIENCE)[0]:
            raise TimeoutError(f"no {sign!r} in {shown!r}")
        piece = os.read(descriptor, 1 << 16)
        if not piece:
            raise EOFError(f"no {sign!r} in {shown!r}")
        shown += piece
    return shown


def _command(settings: Settings) -> list[str]:
    flags = [f"--{name}={value}" for name, value in settings.items()]
    return [sys.executable, str(PROGRAM), *flags]
