"""Many chats at once with serve.py: python -m benchmarks.serving --model_dir=DIRECTORY.

A server is started with the model twice: as it is, and with greedy search as its own. For each, 1,
8, 32 and 200 chats ask queries of a corpus, every chat the next one as soon as it has its reply:

    replies_per_second    by the clock
    median, 95th, 99th    milliseconds from a request to its reply
    gain                  replies a second over those of one chat, which is one request at a time
    lost, wrong           requests without a reply; replies that `Chatbot.reply` does not give alone

`alone` is the median of `Chatbot.reply` in this process, reply by reply in turns with that of one
chat, whose difference is what HTTP costs. The resident memory of the server is taken after
2,000 replies more, and after `--replies` more than these.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks.chats import Measured, chat_at_once
from benchmarks.machine import report
from chatbot.bot import Chatbot
from chatbot.corpus import read_pairs
from chatbot.programs.flags import FLAGS, define_path, run, show
from chatbot.system.paths import find_in_project

PURPOSE = "Measures a server with many chats at once, against one request at a time."
CHATS = (1, 8, 32, 200)
FIRST = 2000
"""Replies before the memory is measured."""
PROGRAM = Path(__file__).resolve().parents[1] / "serve.py"


def define_flags() -> None:
    """Defines the flags of `python -m benchmarks.serving`."""
    define_path("model_dir", find_in_project("model/smalltalk"), "Model directory, made by train.")
    define_path("corpus", find_in_project("data/smalltalk"), "Whose queries to ask.")
    flags.DEFINE_integer("queries", 200, "Different queries.", 1)
    flags.DEFINE_float("seconds", 7.0, "Seconds for each number of chats, about.", 0.1)
    flags.DEFINE_integer("replies", 20_000, "Replies over which memory is watched.", 0)
    flags.DEFINE_boolean("json", False, "Print the figures as JSON on the last line too.")
    show("What to measure", "model_dir", "corpus", "queries", "seconds", "replies", "json")


def main(_: Sequence[str]) -> int:
    """Prints the figures.

    Returns:
        The exit status: 1 where a reply was lost or wrong.
    """
    pairs = read_pairs(FLAGS.corpus)
    queries = list(itertools.islice(dict.fromkeys(pair.query for pair in pairs), FLAGS.queries))
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        greedy = make_greedy(Path(FLAGS.model_dir), Path(place) / "greedy")
        beam = Path(FLAGS.model_dir)
        with start_server(greedy, beam) as (address, process):
            for name, path in (("greedy", greedy), ("beam", beam)):
                bot = Chatbot.load(path, engine="onnx")
                figures.update(measure_model(name, bot, address, path.name, queries))
            figures.update(measure_memory(address, process, greedy.name, queries))
    report(f"chats at once with {FLAGS.model_dir}", figures, FLAGS.json)
    return int(any(figures[name] for name in figures if name.endswith(("_lost", "_wrong"))))


def make_greedy(model_dir: Path, target: Path) -> Path:
    """Makes a model directory of the same weights whose own search is greedy."""
    target.mkdir()
    for path in model_dir.iterdir():
        if path.name != "config.json":
            (target / path.name).symlink_to(path.resolve())
    config = json.loads((model_dir / "config.json").read_text(encoding="utf-8"))
    config["search"].update(beam_search=False, sample=False, beam_size=1, diverse_groups=1)
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return target


@contextlib.contextmanager
def start_server(*model_dirs: Path) -> Iterator[tuple[str, int]]:
    """Starts serve.py; yields its address and the number of its process."""
    named = [f"--model_dir={path}" for path in model_dirs]
    command = [sys.executable, str(PROGRAM), "--port=0", *named]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("the server has no pipe")
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.terminate()


def measure_model(
    search: str, bot: Chatbot, address: str, model: str, queries: Sequence[str]
) -> dict[str, Any]:
    """Measures one model at every number of chats, and one chat beside `Chatbot.reply`."""
    expected = {query: bot.reply(query)[0].text for query in queries}
    figures = compare_alone(search, bot, address, model, expected)
    first = 0.0
    for chats in CHATS:
        sample = chat_at_once(address, model, expected, chats, 2 * chats)
        count = max(4 * chats, round(FLAGS.seconds * len(sample.waits) / sample.seconds))
        found = chat_at_once(address, model, expected, chats, count)
        rate = len(found.waits) / found.seconds
        first = first or rate
        figures.update(_describe(f"{search}_{chats}", found, rate, rate / first))
    return figures


def _describe(name: str, found: Measured, rate: float, gain: float) -> dict[str, Any]:
    ranked = statistics.quantiles(found.waits, n=100) if len(found.waits) > 1 else found.waits * 99
    return {
        f"{name}_replies_per_second": rate,
        f"{name}_gain": gain,
        **{f"{name}_{at}_milliseconds": 1000 * ranked[at - 1] for at in (50, 95, 99)},
        f"{name}_lost": found.lost,
        f"{name}_wrong": found.wrong,
    }


def compare_alone(
    search: str, bot: Chatbot, address: str, model: str, expected: Mapping[str, str]
) -> dict[str, float]:
    """Compares `Chatbot.reply` with a request, in turns."""
    alone, served = [], []
    for query, reply in expected.items():
        begin = time.perf_counter()
        bot.reply(query)
        alone.append(time.perf_counter() - begin)
        served += chat_at_once(address, model, {query: reply}, 1, 1).waits
    return {
        f"{search}_alone_milliseconds": 1000 * statistics.median(alone),
        f"{search}_served_milliseconds": 1000 * statistics.median(served),
    }


def measure_memory(
    address: str, process: int, model: str, queries: Sequence[str]
) -> dict[str, float]:
    """Measures how the server's memory grows over many replies."""
    expected = dict.fromkeys(queries, "")  # nobody looks at what is wrong here
    if FLAGS.replies == 0:
        return {}
    chat_at_once(address, model, expected, 32, min(FIRST, FLAGS.replies))
    before = read_memory(process)
    chat_at_once(address, model, expected, 32, FLAGS.replies)
    after = read_memory(process)
    return {"resident_megabytes_first": before, "resident_megabytes_last": after}


def read_memory(process: int) -> float:
    """Reads the resident memory of a process, in MB."""
    text = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", text, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"process {process} has ended")
    return int(found[1]) / 1000


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    run(main, PURPOSE, define_flags)
