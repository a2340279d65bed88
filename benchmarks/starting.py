"""Speed of predict.py: python -m benchmarks.starting [--attention=luong --engine=all].

predict.py is started as a person or a program starts it, with an untrained model whose replies all
have `--reply_length` tokens. The engines and their precisions take turns, and their figures begin
as those of `benchmarks.decoding`:

    prompt_seconds              from its start on a terminal to its prompt
    first_answer_seconds        from its start to the answer, greedy and by the beam, to a line that
                                waits in its pipe; its files have been read before
    cold_answer_seconds         the same once the system has been asked to forget them
    resident_megabytes          the most memory it has had until then, mapped files included
    replies_per_second          lines of a file answered, each greedy and by the beam, the program's
                                start and end included
    greedy_replies_per_second   the same without the beam
    file_resident_megabytes     the most memory it has had, both searches

A cold start reads the interpreter's packages, the code and the model from the disk. What other
processes have mapped stays in memory: `kept_megabytes` says how much of all these files, and before
a cold start it should be near 0. The files' names, the interpreter itself, the system's libraries
and the disk's own cache are as warm as they were. This process maps nothing of TensorFlow's.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks import load_tensorflow
from benchmarks.machine import measure_machine, report
from benchmarks.page_cache import drop, find_modules, list_files
from benchmarks.program import PROGRAM, Settings, answer_file, time_first_answer, time_prompt
from benchmarks.sizes import Prepared, define_replies
from chatbot.programs.flags import FLAGS, run, show
from chatbot.system.processor import describe_processor

PURPOSE = "Measures how fast predict.py starts and answers, and how much memory it takes."
TARGETS = {"first_answer_target_seconds": 0.8, "replies_target_per_second": 150}


def define_flags() -> None:
    """Defines the flags of `python -m benchmarks.starting`."""
    define_replies()
    flags.DEFINE_integer("starts", 3, "Timed starts of each kind.", 1)
    flags.DEFINE_integer("repeats", 1, "Timed runs over the file of each kind.", 1)
    show("What to measure", "starts", "repeats")


def run_apart(function: Callable[..., Any], *given: Any) -> Any:
    """Calls a function in a process of its own, which takes TensorFlow with it when it ends."""
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(1, fork, load_tensorflow) as pool:
        return pool.submit(function, *given).result()


def prepare_apart(model_dir: Path) -> Prepared:
    """Makes a model directory, with the graphs of all ways to reply, and the queries."""
    from benchmarks.replying import prepare
    from chatbot.bot import Chatbot

    prepared = prepare(model_dir)
    for way in prepared.ways.values():
        Chatbot.load(model_dir, **way._asdict())
    return prepared


def take_turns(
    measure: Callable[[Settings], Mapping[str, float]], ways: Mapping[str, Settings], repeats: int
) -> dict[str, float]:
    """Measures each way once, then each again, so that all have the machine at its best and worst.

    Args:
        measure: Takes the flags of predict.py, returns {figure: value}.
        ways: {prefix of the figures: flags}.
        repeats: Measurements of each.

    Returns:
        {prefix and figure: the median}.
    """
    found: dict[str, list[float]] = {}
    for _ in range(repeats):
        for prefix, settings in ways.items():
            for name, value in measure(settings).items():
                found.setdefault(prefix + name, []).append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def measure_starts(ways: Mapping[str, Settings], query: str) -> dict[str, float]:
    """Times starts of predict.py, warm ones and then cold ones."""
    model_dir = next(iter(ways.values()))["model_dir"]
    files = list_files([*find_modules(), PROGRAM.parent / "chatbot", model_dir])

    def start(settings: Settings) -> dict[str, float]:
        seconds, memory = time_first_answer(settings, query)
        return {
            "prompt_seconds": time_prompt(settings),
            "first_answer_seconds": seconds,
            "resident_megabytes": memory / 1e6,
        }

    def start_cold(settings: Settings) -> dict[str, float]:
        kept = drop(files)
        seconds, _ = time_first_answer(settings, query)
        return {"cold_answer_seconds": seconds, "kept_megabytes": kept / 1e6}

    for settings in ways.values():
        time_first_answer(settings, query)
    os.sync()  # only what is on the disk can be forgotten
    warm = take_turns(start, ways, FLAGS.starts)
    return {**warm, **take_turns(start_cold, ways, FLAGS.starts)}


def measure_files(ways: Mapping[str, Settings], file: Path, lines: int) -> dict[str, float]:
    """Times how predict.py answers a file."""

    def answer(settings: Settings) -> dict[str, float]:
        both, memory = answer_file({**settings, "beam_search": "true"}, file)
        greedy, _ = answer_file({**settings, "beam_search": "false"}, file)
        return {
            "replies_per_second": lines / both,
            "greedy_replies_per_second": lines / greedy,
            "file_resident_megabytes": memory / 1e6,
        }

    return take_turns(answer, ways, FLAGS.repeats)


def main(_: Sequence[str]) -> int:
    """Prints the speed of predict.py.

    Returns:
        0.
    """
    with tempfile.TemporaryDirectory() as directory:
        model_dir, file = Path(directory, "model"), Path(directory, "queries.txt")
        prepared = run_apart(prepare_apart, model_dir)
        file.write_text("".join(f"{query}\n" for query in prepared.queries), encoding="utf-8")
        ways = {
            prefix: {"model_dir": model_dir, **way._asdict()}
            for prefix, way in prepared.ways.items()
        }
        programs = {
            **measure_starts(ways, prepared.queries[0]),
            **measure_files(ways, file, len(prepared.queries)),
        }
    figures = {
        "engine": FLAGS.engine,
        "attention": FLAGS.attention,
        "vocab_size": prepared.words,
        "beam_size": FLAGS.beam_size,
        "queries": len(prepared.queries),
        **programs,
        **TARGETS,
        **run_apart(measure_machine, prepared.has_bfloat16),
    }
    title = f"predict.py with replies of {FLAGS.reply_length} tokens on {describe_processor()}"
    report(title, figures, FLAGS.json)
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
