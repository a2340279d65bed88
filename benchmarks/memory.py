"""How much memory a program takes; train.py is started, and watched while it runs."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NETWORK = {"rnn_size": 32, "embedding_size": 32, "num_layers": 1, "batch_size": 16}
"""A small one, so that what grows with the corpus shows beside what does not."""
EVERY = 0.01
"""Seconds between two looks at the memory."""


def read_anonymous_memory(process: str = "self") -> int:
    """Reads a process's anonymous memory, in which the pages of mapped files do not count.

    Args:
        process: Its id.

    Returns:
        Bytes, /proc's RssAnon.

    Raises:
        OSError: There is no such process any more, or no such figure.
    """
    return _read_status(process, "RssAnon")


def read_peak_memory(process: str = "self") -> int:
    """Reads the most memory that a process has had resident, mapped files included.

    Args:
        process: Its id.

    Returns:
        Bytes, /proc's VmHWM.

    Raises:
        OSError: As `read_anonymous_memory`.
    """
    return _read_status(process, "VmHWM")


def _read_status(process: str, name: str) -> int:
    status = Path("/proc", process, "status")
    found = re.search(rf"^{name}:\s+(\d+) kB$", status.read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise OSError(f"{status} has no {name}")
    return 1024 * int(found[1])


def watch_training(
    corpus: Path, cache_dir: Path, settings: Mapping[str, int], steps: int
) -> dict[str, float]:
    """Trains a small network on a corpus with train.py.

    Args:
        corpus: A file of tab-separated pairs, encoded already.
        cache_dir: Where its encoded form is.
        settings: {flag: value} that it was encoded with.
        steps: Training steps.

    Returns:
        {figure: value}: the most `anonymous_bytes` that were seen, and the `seconds` in all.

    Raises:
        RuntimeError: The training failed or could not be watched, or it encoded the corpus for
            itself.
    """
    values = {**NETWORK, **settings, "max_steps": steps, "steps_per_checkpoint": steps}
    command = [sys.executable, "train.py", f"--corpus={corpus}", f"--cache_dir={cache_dir}"]
    command += ["--corpus_format=tsv", "--precision=float32"]
    command += [f"--{name}={value}" for name, value in values.items()]
    encoded = set(cache_dir.iterdir())
    with tempfile.TemporaryDirectory() as model_dir, tempfile.TemporaryFile("w+") as errors:
        begin = time.perf_counter()
        command.append(f"--model_dir={model_dir}/model")
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
        ) as process:
            largest = watch(process, read_anonymous_memory)
        seconds = time.perf_counter() - begin
        errors.seek(0)
        if process.returncode or not largest or set(cache_dir.iterdir()) != encoded:
            raise RuntimeError(f"train.py: status {process.returncode}\n{errors.read()}")
    return {"anonymous_bytes": largest, "seconds": seconds}


def watch(process: subprocess.Popen[bytes], read: Callable[[str], int]) -> int:
    """Waits for the end of a process; returns the most memory that `read` found meanwhile."""
    largest = 0
    while process.poll() is None:
        with contextlib.suppress(OSError):  # it may end just now
            largest = max(largest, read(str(process.pid)))
        time.sleep(EVERY)
    return largest
