"""What a checkpoint holds, and what of it a network that replies is restored from."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def track(model: tf.Module, averages: tf.Module | None, **others: Any) -> tf.train.Checkpoint:
    """Names what a checkpoint of a training holds: the network, averages of its weights if any."""
    if averages is not None:
        others["averages"] = averages
    return tf.train.Checkpoint(model=model, **others)


def track_for_replies(model: tf.Module, decay: float) -> tf.train.Checkpoint:
    """Names what a network that replies takes from a checkpoint: averages, if training had any."""
    return tf.train.Checkpoint(**{"averages" if decay > 0 else "model": model})
