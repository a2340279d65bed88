"""Training from Python.

    import chatbot

    done = chatbot.train("mine.tsv", model_dir="model/mine", max_steps=1000, on_report=print)

**From any thread.** A training may run in one thread while the program goes on in another and ends
it by setting an event. Only in the main thread do signals end it: there Ctrl-C saves and then
interrupts as usual.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from chatbot.errors import ChatbotError
from chatbot.plots import embed_curves
from chatbot.settings.config import Config
from chatbot.storage.model_directory import ModelDirectory
from chatbot.storage.reports import read_reports
from chatbot.system.command import command
from chatbot.system.paths import local_path
from chatbot.system.stopping import StopRequest
from chatbot.training.audience import Audience
from chatbot.training.run import train_directory


class Training(NamedTuple):
    """How far a training has come.

    Attributes:
        model_dir: The model directory, for `Chatbot.load`.
        step: Steps that are done and saved.
        finished: Why there is nothing left to do, or None where it was stopped before: the same
            call goes on from there.
        best_perplexity: The validation perplexity of the checkpoint that replies, or None where
            none was measured.
    """

    model_dir: Path
    step: int
    finished: str | None
    best_perplexity: float | None

    def _repr_html_(self) -> str:
        best = "" if self.best_perplexity is None else f"{self.best_perplexity:.2f}"
        cells = (str(self.model_dir), f"{self.step:,}", self.finished or "not yet", best)
        heads = "model_dir step finished best_perplexity".split()
        rows = (
            f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in row)}</tr>"
            for tag, row in (("th", heads), ("td", cells))
        )
        curves = embed_curves("", read_reports(ModelDirectory(self.model_dir).metrics_path))
        return f"<table>{''.join(rows)}</table>{curves}"


def train(
    corpus: str | os.PathLike[str] | None = None,
    *,
    model_dir: str | os.PathLike[str],
    cache_dir: str | os.PathLike[str] = "",
    on_report: Callable[[dict[str, Any]], object] | None = None,
    stop: threading.Event | None = None,
    progress: bool = False,
    **settings: Any,
) -> Training:
    """Trains a model directory, or resumes its training, as train.py does.

    Args:
        corpus: A file, a directory or a zip; a model directory that exists already knows its own.
        model_dir: The model directory.
        cache_dir: Where encoded corpora are kept; empty means in the model directory.
        on_report: Called with each report, {figure: value} as in `metrics.jsonl`, in this thread.
            What it raises ends the training, with all saved, and is raised here.
        stop: Setting it ends the training after the current step; all is saved.
        progress: Whether to show on standard error what train.py shows.
        **settings: Any that `train.py --help` lists, as `rnn_size=256, max_steps=1000`.

    Raises:
        TypeError: There is no such setting.
        ChatbotError: A value is out of range, or something else that a person can fix.
        KeyboardInterrupt: Somebody pressed Ctrl-C; all is saved.
        RuntimeError: This process was forked from one that had loaded a model or trained.
    """
    given = dict(settings) if corpus is None else {"corpus": corpus, **settings}
    given = {n: local_path(x) if isinstance(x, os.PathLike) else x for n, x in given.items()}
    place, cache = local_path(model_dir), local_path(cache_dir)
    if not place:
        raise ChatbotError("model_dir is empty; name a directory, or . for the working directory")
    unknown = sorted(set(given) - set(Config().flat()))
    if unknown:
        raise TypeError(f"there is no setting {unknown[0]!r}; {command('train')} --help lists them")
    request = StopRequest(Config().replace(given).training.max_minutes, stop)
    raised: list[BaseException] = []

    def report(figures: dict[str, Any]) -> None:
        try:
            if on_report is not None:
                on_report(figures)
        except BaseException as error:  # noqa: BLE001 - raised below, once all is saved
            raised.append(error)
            request.make()

    audience = Audience(is_shown=progress, on_report=report)
    train_directory(place, given, cache, request, audience)
    if raised:
        raise raised[0]
    if request.signal_number is not None:
        signal.raise_signal(request.signal_number)
    return _look_at(ModelDirectory(place))


def _look_at(directory: ModelDirectory) -> Training:
    if not directory.exists():  # stopped before the corpus was encoded
        return Training(directory.path, 0, None, None)
    kept, note = directory.checkpoints(), directory.finished()
    measured = [c.validation_perplexity for c in kept if c.validation_perplexity is not None]
    step = max((c.step for c in kept), default=0)
    reason = None if note is None else str(note.get("reason"))
    return Training(directory.path, step, reason, min(measured, default=None))
