"""How long a training is, and the size of each of its steps."""

from __future__ import annotations

import math

from chatbot.settings.config import TrainingConfig


def scheduled_learning_rate(config: TrainingConfig, step: int, total: int) -> float:
    """Returns the base rate less what warm-up and schedule take off.

    Args:
        config: Base rate, schedule and warm-up.
        step: The step, from 0.
        total: Steps of the whole training.
    """
    done = step / total
    share = {
        "constant": 1.0,
        "linear": 1.0 - done,
        "cosine": 0.5 + 0.5 * math.cos(math.pi * done),
    }[config.learning_rate_schedule]
    warmth = min(1.0, (step + 1) / max(1, config.warmup_steps))
    return config.learning_rate * share * warmth


def count_steps(config: TrainingConfig, steps_per_epoch: int) -> int:
    """Counts the steps of the whole training.

    Where `num_epochs` is 0, `max_steps` decides, and where that is 0 too, the size of the corpus:
    40 epochs, at most 4,800 steps but at least 4 epochs and 1,000 steps, rounded to whole epochs.
    """
    if config.num_epochs:
        every = config.num_epochs * steps_per_epoch
    else:
        many = max(1_000, min(40 * steps_per_epoch, 4_800), 4 * steps_per_epoch)
        every = config.max_steps or round(many / steps_per_epoch) * steps_per_epoch
    return min(every, config.max_steps or every)


def describe_jump(
    before: TrainingConfig, now: TrainingConfig, step: int, steps_per_epoch: int
) -> str:
    """Says how the step size jumps where a training goes on to another last step.

    Args:
        before: The settings so far.
        now: Those from now on, of the same schedule.
        step: Steps that are done.
        steps_per_epoch: Batches in an epoch.

    Returns:
        One line, or "" where the step size goes on as planned.
    """
    planned, total = (count_steps(config, steps_per_epoch) for config in (before, now))
    if not 0 < step < total or planned == total or now.learning_rate_schedule == "constant":
        return ""
    last = scheduled_learning_rate(before, step - 1, planned)
    following = scheduled_learning_rate(now, step, total)
    return (
        f"note: the learning rate was {last:.3g} at step {step} and is {following:.3g} at the "
        f"next, for --learning_rate_schedule={now.learning_rate_schedule} ends at step {total} "
        f"now, not at {planned}"
    )
