"""Prints the first pairs of a corpus as JSON lines, so that a model learns from them alone."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence

from absl import flags

from chatbot.corpus import read_pairs
from chatbot.programs.flags import FLAGS, define_path, define_settings, run, show
from chatbot.settings.config import CorpusConfig
from chatbot.settings.read_options import AS_FOUND, ReadOptions
from chatbot.system.paths import find_in_project
from chatbot.system.terminal import write_output

PURPOSE = "Prints the first pairs of a corpus as jsonl, each with one turn and its reply."


def define_flags() -> None:
    """Defines the flags of `python -m tools.first_pairs`."""
    bundled = find_in_project("data/smalltalk")
    define_path("corpus", bundled, "File, directory or zip of dialogues.")
    show("What to print", "corpus")
    define_settings("What to print", CorpusConfig, "corpus_format", "encoding", "columns")
    flags.DEFINE_integer("pairs", 20_000, "Maximum pairs.", 1)
    show("What to print", "pairs")


def write_lines(
    corpus: str, corpus_format: str, most: int, options: ReadOptions = AS_FOUND
) -> Iterator[str]:
    """Yields the first `most` pairs as lines of JSON; `ChatbotError` where it cannot read them."""
    pairs = read_pairs(corpus, corpus_format, options=options)
    for pair in itertools.islice(pairs, most):
        yield json.dumps({"query": pair.query, "reply": pair.reply}) + "\n"


def main(_: Sequence[str]) -> int:
    """Prints what the flags ask for."""
    options = ReadOptions(FLAGS.encoding, FLAGS.columns)
    for line in write_lines(FLAGS.corpus, FLAGS.corpus_format, FLAGS.pairs, options):
        write_output(line)
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
