"""Speed of the searches: python -m benchmarks.decoding [--attention=luong --engine=all].

The weights are untrained and the end token is masked, so that every search takes all its steps:
`--reply_length` tokens and one more step for the end token. Everything is asked as users ask it,
tokenizing and writing included: one query of median length and a batch of queries, greedy and with
a beam, of chatbots in this process. They take turns, each under its engine and its precision:

    own_float32, own_bfloat16   our loops in TensorFlow, the latter where it has the instructions
    addons_float32              the library's, where it is installed
    onnx_float32, onnx_int8     the ONNX graphs under onnxruntime

The targets hold for the default sizes, 15,758 words and two cores; they are those of processors
with bfloat16 instructions or without. What the machine multiplies and reads, measured at the end of
the same run, stands beside. `benchmarks.starting` measures the program. The model directory is a
temporary one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks.machine import measure_machine, report, time_in_turns
from benchmarks.replying import prepare
from benchmarks.sizes import define_replies
from chatbot.bot import Chatbot
from chatbot.chat.loading import load_and_trace
from chatbot.network.device import prepare_device
from chatbot.programs.flags import FLAGS, run, show

PURPOSE = "Measures how long replies take, beside what the machine multiplies and reads."
TARGETS = {
    True: {"greedy_single": 18, "greedy_batch": 246, "beam_single": 29, "beam_batch": 799},
    False: {"greedy_single": 20, "greedy_batch": 600, "beam_single": 35, "beam_batch": 2000},
}
"""{whether the processor has bfloat16 instructions: milliseconds}."""
SINGLES = 4
"""Times as many searches for a single query, which are short, as for a batch."""


def define_flags() -> None:
    """Defines the flags of `python -m benchmarks.decoding`."""
    define_replies()
    flags.DEFINE_integer("repeats", 10, "Timed searches of a batch of each kind.", 1)
    show("What to measure", "repeats")


def measure_searches(bots: Mapping[str, Chatbot], queries: Sequence[str]) -> dict[str, float]:
    """Times one query and a batch of them, greedy and with a beam.

    Args:
        bots: Who replies, in turns, each under its figures' prefix.
        queries: At least one; the batch repeats them where they are too few.

    Returns:
        {figure: milliseconds}.
    """
    read = next(iter(bots.values())).read
    ordered = sorted(queries, key=lambda query: len(read(query).ids))
    batch = [queries[n % len(queries)] for n in range(FLAGS.batch_size)]
    asked = {"single": [ordered[len(ordered) // 2]], "batch": batch}
    figures = {}
    for search, width in (("greedy", 1), ("beam", FLAGS.beam_size)):
        for size, chosen in asked.items():
            answers = {prefix: partial(bot.replies, chosen, width) for prefix, bot in bots.items()}
            repeats = FLAGS.repeats * (SINGLES if size == "single" else 1)
            for prefix, seconds in time_in_turns(answers, repeats).items():
                figures[f"{prefix}{search}_{size}_milliseconds"] = 1000 * seconds
    return figures


def main(_: Sequence[str]) -> int:
    """Prints the speed of the replies.

    Returns:
        0.
    """
    device = prepare_device()
    with tempfile.TemporaryDirectory() as directory:
        model_dir = Path(directory, "model")
        ways, queries, words, has_bfloat16 = prepare(model_dir)
        bots = {name: load_and_trace(str(model_dir), **x._asdict()) for name, x in ways.items()}
        searches = measure_searches(bots, queries)
    figures: dict[str, Any] = {
        "engine": FLAGS.engine,
        "attention": FLAGS.attention,
        "vocab_size": words,
        "batch_size": FLAGS.batch_size,
        "beam_size": FLAGS.beam_size,
        **searches,
        **{f"{name}_target_milliseconds": x for name, x in TARGETS[has_bfloat16].items()},
        **measure_machine(has_bfloat16),
    }
    report(f"replies of {FLAGS.reply_length} tokens on {device}", figures, FLAGS.json)
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
