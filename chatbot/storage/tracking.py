"""What a checkpoint holds, and what of it a network that replies is restored from."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def track(model: tf.Module, averages: tf.Module | None, **others: Any) -> tf.train.Checkpoint:
    """Names what a checkpoint holds.

    Args:
        model: The network that is trained.
        averages: The network of the averages of its weights, or None.
        **others: What else it holds.

    Returns:
        What is saved and restored.
    """
    if averages is not None:
        others["averages"] = averages
    return tf.train.Checkpoint(model=model, **others)


def track_for_replies(model: tf.Module, decay: float) -> tf.train.Checkpoint:
    """Names what of a checkpoint a network that replies is restored from.

    Args:
        model: The network.
        decay: That of the training, whose averages are meant if it is not 0.

    Returns:
        What is restored.
    """
    return tf.train.Checkpoint(**{"averages" if decay > 0 else "model": model})
