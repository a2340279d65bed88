"""What a training reports: lines of JSON, and events for TensorBoard."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from chatbot.storage.checkpoints import unwritable
from chatbot.system.files import plain_path, replace_text


@contextlib.contextmanager
def open_events(directory: Path, first_step: int) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Opens a new file of TensorBoard's events.

    It begins with a mark by which TensorBoard drops what earlier files have of the steps to come:
    a process that was killed has reported steps that it did not save.

    Args:
        directory: Where the files are; made if it is missing.
        first_step: The first step that may be reported.

    Yields:
        Adds a report, {figure: value} with the step among them, to the file.

    Raises:
        ChatbotError: The file cannot be written.
        OSError: The directory cannot be made.
    """

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
    """Appends one line to a file of reports.

    Args:
        path: The file with one JSON object a line.
        report: {figure: value}, the step among them.
    """
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(report) + "\n")


def read_reports(path: Path) -> list[dict[str, Any]]:
    """Reads what `append_report` wrote.

    Args:
        path: The file; it need not exist.

    Returns:
        The reports, without lines that are none; none where the file cannot be read.
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
    """Drops the reports of steps that no checkpoint remembers, so that none stands there twice.

    Args:
        path: The file with one JSON object a line; it need not exist.
        step: The last step that is remembered.
    """
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
