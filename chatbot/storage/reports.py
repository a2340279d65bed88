"""What a training reports: lines of JSON, and events for TensorBoard."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from chatbot.storage.checkpoints import unwritable
from chatbot.system.files import plain_path, replace_text


@contextlib.contextmanager
def open_events(directory: Path, first_step: int) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Opens a new file of TensorBoard's events in a directory, which is made if it is missing.

    It begins with a mark at which TensorBoard drops what earlier files report of `first_step` and
    later: a process that was killed has reported steps that it did not save.

    Yields:
        A function that adds a report, {figure: value} with the step among them.

    Raises:
        ChatbotError: The file cannot be written.
        OSError: The directory cannot be made.
    """
    import tensorflow as tf

    def write(**content: Any) -> None:
        event = tf.compat.v1.Event(wall_time=time.time(), **content)
        try:
            file.write(event.SerializeToString())
            file.flush()
        except tf.errors.OpError as error:
            raise unwritable(directory, error) from None

    def add(report: Mapping[str, Any]) -> None:
        values = [{"tag": name, "simple_value": value} for name, value in report.items()]
        write(step=report["step"], summary={"value": values})

    directory.mkdir(exist_ok=True)
    name = f"events.out.tfevents.{time.time():.6f}.{os.getpid()}"  # TensorBoard sorts by name
    with plain_path(directory) as place, tf.io.TFRecordWriter(f"{place}/{name}") as file:
        write(file_version="brain.Event:2")
        write(step=first_step, session_log={"status": tf.compat.v1.SessionLog.START})
        yield add


def append_report(path: Path, report: dict[str, Any]) -> None:
    """Appends a report, {figure: value} with the step among them, to a file of JSON lines."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(report) + "\n")


def read_reports(path: Path) -> list[dict[str, Any]]:
    """Reads what `append_report` wrote, without lines that are no reports.

    Returns:
        The reports; none where the file is missing or cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    reports = []
    for line in lines:
        try:
            report = json.loads(line)
        except (ValueError, RecursionError):
            continue  # half a line, from a process that was killed
        if isinstance(report, dict):
            reports.append(report)
    return reports


def cut_reports(path: Path, step: int) -> None:
    """Drops the reports after the last step that a checkpoint knows, so that none comes twice."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue  # half a line, from a process that was killed
    replace_text(path, "".join(kept))


def to_perplexity(loss: float) -> float:
    """Returns e to the power of a mean loss in nats, at most e^700, which JSON can still hold."""
    return math.exp(min(loss, 700.0))
