"""Speed of the training step with each attention: python -m benchmarks.attentions [--steps=20].

The attentions take steps with one batch, in turns. Each median is also given over that of
`--attention`: below 1 is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import tensorflow as tf
from absl import flags

from benchmarks.machine import describe_products, measure_products, report, time_in_turns
from benchmarks.sizes import define_sizes, make_config
from benchmarks.training import define_steps, draw_batches, make_step, take_step
from chatbot.dataset import Batch
from chatbot.engines.choice import choose_engine
from chatbot.network.device import prepare_device, resolve_precision
from chatbot.programs.flags import FLAGS, run, show
from chatbot.settings.choices import ATTENTIONS

PURPOSE = "Measures the training step with each attention, and without one, in turns."


def define_flags() -> None:
    """Defines the flags of `python -m benchmarks.attentions`."""
    define_sizes()
    define_steps()
    names = [*ATTENTIONS, "none"]
    flags.DEFINE_multi_enum("compared", names, names, "Attentions to compare with --attention.")
    show("What to measure", "compared")


def make_steps(batch: Batch, precision: str) -> dict[str, Callable[[], float]]:
    """Makes a training step for each attention: {its name, or "none": a call that takes a step}."""
    engine, sizes = choose_engine("own"), make_config(FLAGS.dropout)
    steps: dict[str, Callable[[], float]] = {}
    for name in dict.fromkeys([FLAGS.attention, *FLAGS.compared]):
        config = replace(sizes, use_attention=name != "none")
        if name != "none":
            config = replace(config, attention=name)
        step = make_step(config, FLAGS.vocab_size, precision, engine)[-1]
        steps[name] = partial(take_step, step, batch, 0)
    return steps


def main(_: Sequence[str]) -> int:
    """Prints each attention's time.

    Returns:
        0.
    """
    device, precision = prepare_device(), resolve_precision(FLAGS.precision)
    tf.get_logger().setLevel("ERROR")
    batches = list(draw_batches(FLAGS.batch_size, FLAGS.vocab_size, FLAGS.max_length))
    steps = make_steps(batches[len(batches) // 2], precision)
    seconds = time_in_turns(steps, FLAGS.steps)
    figures = {"precision": precision, **describe_products(measure_products(precision))}
    for name, taken in seconds.items():
        figures[f"{name}_milliseconds"] = 1000 * taken
        figures[f"{name}_over_{FLAGS.attention}"] = taken / seconds[FLAGS.attention]
    report(f"training step with each attention on {device}", figures, FLAGS.json)
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
