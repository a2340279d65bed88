"""One job of training: what it is given, and what a person is told of its faults and its end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf

from chatbot.errors import ChatbotError
from chatbot.plots import draw_curves
from chatbot.settings.config import Config
from chatbot.storage.model_directory import ModelDirectory
from chatbot.storage.reports import read_reports
from chatbot.system.stopping import StopRequest
from chatbot.training.audience import Audience
from chatbot.training.distribution import Distribution


class Job(NamedTuple):
    """What one process is to train, from its start to its end.

    Attributes:
        directory: The model directory.
        config: All settings.
        cache_dir: Where encoded corpora are kept, or "" for the model directory.
        stop: Says when to stop.
        audience: Who hears of it.
        distribution: Who computes.
    """

    directory: ModelDirectory
    config: Config
    cache_dir: str
    stop: StopRequest
    audience: Audience
    distribution: Distribution


@contextlib.contextmanager
def explaining(directory: ModelDirectory, distribution: Distribution) -> Iterator[None]:
    """Turns what goes wrong inside into a `ChatbotError`, one line that says what to do."""
    try:
        yield
    except tf.errors.ResourceExhaustedError:
        raise ChatbotError(
            "there is not enough memory; lower --batch_size, --max_length or --rnn_size"
        ) from None
    except tf.errors.OpError as error:
        reason = str(error).split("\n")[0]
        raise ChatbotError(distribution.explain(error) or _cure(directory, reason)) from None
    except OSError as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise ChatbotError(_cure(directory, reason)) from None


def _cure(directory: ModelDirectory, reason: str) -> str:
    return (
        f"{directory.path}: {reason}; mend that and run the same command to go on from the last "
        "checkpoint"
    )


def draw_reports(job: Job) -> None:
    """Draws the reports beside them, or says why it did not: it failed, or somebody interrupted."""
    path = job.directory.path / "curves.png"
    try:
        with job.stop:
            reports = read_reports(job.directory.metrics_path)
            if reports:
                draw_curves(str(path), reports)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - all that matters is saved
        reason = str(error).split("\n")[0] or type(error).__name__
        job.audience.say(f"the training's curves were not drawn ({reason})")
