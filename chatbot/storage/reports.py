"""What a training counts and reports."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from chatbot.errors import ChatbotError
from chatbot.storage.checkpoints import unwritable
from chatbot.system.files import plain_path, replace_text


@dataclass
class Progress:
    """What the loop knows besides the weights; it travels in the checkpoint.

    Attributes:
        best: Lowest validation perplexity so far (see `Perplexities.decisive`), or None.
        best_of_unseen: 1 where that is one of unseen pairs, 0 where it is one of all pairs.
        waited: Reports since then.
        losses: Sum of the tokens' losses (nats) since the last report.
        tokens: Target tokens since the last report.
        norms: Sum of the gradients' norms since the last report.
        steps: Steps since the last report.
        bad_steps: Steps in a row, up to the last, whose loss or gradients were not finite.
        all_bad_steps: Such steps since the beginning.
    """

    best: float | None = None
    best_of_unseen: int = 0
    waited: int = 0
    losses: float = 0.0
    tokens: int = 0
    norms: float = 0.0
    steps: int = 0
    bad_steps: int = 0
    all_bad_steps: int = 0

    def add(self, losses: float, tokens: int, norm: float) -> None:
        """Adds one step; arguments as the attributes of the same names."""
        self.losses += losses
        self.tokens += tokens
        self.norms += norm
        self.steps += 1

    def note(self, perplexity: float) -> bool:
        """Notes a validation perplexity; returns whether it is the best so far."""
        improved = self.best is None or perplexity < self.best
        self.best = perplexity if improved else self.best
        self.waited = 0 if improved else self.waited + 1
        return improved

    def reset(self) -> None:
        """Starts a new report."""
        self.losses, self.tokens, self.norms, self.steps = 0.0, 0, 0.0, 0


def restore_progress(values: Any, path: Path) -> Progress:
    """Builds `Progress` back from a checkpoint.

    Args:
        values: What `dataclasses.asdict` gave, here or in an older version.
        path: The model directory, for messages.

    Returns:
        The progress.

    Raises:
        ChatbotError: The values are not those of a `Progress`.
    """
    try:
        kept = {**values}
        kept.pop("seconds", None)  # of older versions
        made = Progress(**kept)
        for value in (x for name, x in vars(made).items() if name != "best" or x is not None):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{value!r} is not a number")
        return made
    except TypeError:
        raise ChatbotError(
            f"{path / 'checkpoints.json'} was written by another version; use that one, or train "
            "again in another --model_dir"
        ) from None


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


def to_perplexity(loss: float) -> float:
    """Returns e to a mean loss in nats, at most e to the 700, which JSON can still hold."""
    return math.exp(min(loss, 700.0))


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
