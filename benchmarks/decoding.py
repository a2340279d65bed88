"""Speed of the replies: python -m benchmarks.decoding [--attention=luong].

The weights are untrained and the end token is masked, so that every search takes all its steps:
`--reply_length` tokens and one more step for the end token. Everything is asked as users ask it,
tokenizing and writing included: one query of median length and a batch of queries, greedy and with
a beam, of a chatbot in this process (`--precision`: the type of its products); and predict.py as a
process of its own,

    prompt_seconds              from its start on a terminal to its prompt
    first_answer_seconds        from its start to the answer to a line that waits in its pipe
    replies_per_second          lines of a file answered, each by the greedy search and the beam,
                                the program's start and end included
    greedy_replies_per_second   the same without the beam

`--engine=both` measures the searches alone, our own and the library's in turns; the library's are
in float32 always. The targets in milliseconds hold for the default sizes on a machine that
multiplies float32 matrices at 180 GFLOP/s, and are scaled by the rate of this machine in this run,
the better of TensorFlow's and NumPy's. The model directory is a temporary one.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import tensorflow as tf
from absl import flags

from benchmarks.engines import define_engine, list_engines
from benchmarks.machine import describe_products, measure_products, report, time_in_turns
from benchmarks.starting import time_file, time_first_answer, time_prompt
from benchmarks.texts import draw_turns, make_words
from benchmarks.training import define_sizes, make_config
from chatbot.bot import Chatbot
from chatbot.chat.loading import load_and_trace
from chatbot.corpus import read_pairs
from chatbot.dataset import EncodingConfig, encode_corpus
from chatbot.network.device import prepare_device, resolve_precision
from chatbot.network.seq2seq import Seq2Seq
from chatbot.programs.flags import FLAGS, run, show
from chatbot.settings.config import Config, CorpusConfig, ModelConfig, SearchConfig, TrainingConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import EOS, SPECIAL_TOKENS, Vocabulary

PURPOSE = "Measures how long replies take and compares it with the machine's product rate."
TARGETS = {"greedy_single": 25, "greedy_batch": 300, "beam_single": 50, "beam_batch": 1100}
"""Milliseconds, at `TARGET_RATE`."""
TARGET_RATE = 180e9
SINGLES = 4
"""Times as many searches for a single query, which are short, as for a batch."""
PROMPT_TARGET, ANSWER_TARGET = 3.0, 6.0
"""Seconds from the start of predict.py."""


def define_flags() -> None:
    """Defines the flags of `python -m benchmarks.decoding`."""
    define_sizes()
    flags.DEFINE_enum("precision", "auto", ["auto", "float32"], "Type of the products.")
    define_engine()
    flags.DEFINE_integer("beam_size", 5, "Hypotheses that the beam keeps.", 2)
    flags.DEFINE_integer("reply_length", 10, "Tokens of every reply.", 1)
    flags.DEFINE_integer("repeats", 10, "Timed searches of a batch of each kind.", 1)
    flags.DEFINE_integer("starts", 3, "Timed starts of predict.py of each kind.", 1)
    flags.DEFINE_integer("queries", 2_000, "Lines of the file that predict.py answers.", 1)
    show("What to measure", "precision", "repeats", "starts", "queries")
    show("Sizes", "beam_size", "reply_length")


def make_endless(config: ModelConfig, vocab_size: int) -> Seq2Seq:
    """Makes an untrained network whose replies never end by themselves.

    Args:
        config: The network's settings.
        vocab_size: Words in the vocabulary.

    Returns:
        The network, in float32.
    """
    model = Seq2Seq(config, vocab_size)
    bias = model.projection.bias
    bias.assign(tf.tensor_scatter_nd_update(bias, [[EOS]], [-1e9]))
    return model


def gather_queries(corpus: str, directory: str) -> tuple[list[str], Vocabulary]:
    """Reads the first queries of a corpus, or draws random ones.

    Args:
        corpus: The dialogues, or "".
        directory: Where the encoded form may lie.

    Returns:
        The queries, and the words of the corpus.
    """
    if not corpus:
        words = Vocabulary([*SPECIAL_TOKENS, *make_words(FLAGS.vocab_size)])
        return draw_turns(FLAGS.queries, FLAGS.vocab_size), words
    settings = EncodingConfig(max_length=FLAGS.max_length, vocab_size=FLAGS.vocab_size)
    _, _, words = encode_corpus(corpus, "auto", directory, settings)
    pairs = islice(read_pairs(corpus), FLAGS.queries)
    return [" ".join(pair.query.split()) for pair in pairs], words


def write_model(path: Path, vocabulary: Vocabulary) -> None:
    """Writes a model directory of the flags' sizes.

    Args:
        path: The directory.
        vocabulary: The words.
    """
    config = Config(
        corpus=CorpusConfig(max_length=FLAGS.max_length, vocab_size=max(6, len(vocabulary))),
        model=make_config(),
        training=TrainingConfig(precision=FLAGS.precision, average_decay=0.0),
        search=SearchConfig(beam_size=FLAGS.beam_size, max_reply_length=FLAGS.reply_length),
    )
    directory = ModelDirectory(path)
    directory.create(config, vocabulary)
    model = make_endless(config.model, len(vocabulary))
    directory.save(tf.train.Checkpoint(model=model), "ckpt", 1, {})


def measure_programs(model_dir: Path, queries: Sequence[str]) -> dict[str, float]:
    """Times predict.py.

    Args:
        model_dir: The model directory.
        queries: The lines to answer.

    Returns:
        {figure: value}.
    """
    file = model_dir.parent / "queries.txt"
    file.write_text("".join(f"{query}\n" for query in queries), encoding="utf-8")
    settings = {"model_dir": model_dir, "engine": FLAGS.engine}
    prompts = [time_prompt(settings) for _ in range(FLAGS.starts)]
    answers = [time_first_answer(settings, queries[0]) for _ in range(FLAGS.starts)]
    both = time_file({**settings, "beam_search": "true"}, file)
    greedy = time_file({**settings, "beam_search": "false"}, file)
    return {
        "prompt_seconds": statistics.median(prompts),
        "prompt_target_seconds": PROMPT_TARGET,
        "first_answer_seconds": statistics.median(answers),
        "first_answer_target_seconds": ANSWER_TARGET,
        "replies_per_second": len(queries) / both,
        "greedy_replies_per_second": len(queries) / greedy,
    }


def measure_searches(bots: Mapping[str, Chatbot], queries: Sequence[str]) -> dict[str, Any]:
    """Times one query and a batch of them, greedy and with a beam.

    Args:
        bots: Who replies, in turns, each under its figures' prefix.
        queries: At least one; the batch repeats them where they are too few.

    Returns:
        {figure: value}, each beside its target.
    """
    read = next(iter(bots.values())).read
    ordered = sorted(queries, key=lambda query: len(read(query).ids))
    batch = [queries[n % len(queries)] for n in range(FLAGS.batch_size)]
    asked = {"single": [ordered[len(ordered) // 2]], "batch": batch}
    before, seconds = measure_products("float32"), {}
    for search, width in (("greedy", 1), ("beam", FLAGS.beam_size)):
        for size, chosen in asked.items():
            answers = {prefix: partial(bot.replies, chosen, width) for prefix, bot in bots.items()}
            repeats = FLAGS.repeats * (SINGLES if size == "single" else 1)
            seconds[f"{search}_{size}"] = time_in_turns(answers, repeats)
    figures = describe_products(before, measure_products("float32"))
    rate = 1e9 * figures["product_gigaflops"]
    for name, taken in seconds.items():
        for prefix, value in taken.items():
            figures[f"{prefix}{name}_milliseconds"] = 1000 * value
        figures[f"{name}_target_milliseconds"] = TARGETS[name] * TARGET_RATE / rate
    return figures


def main(_: Sequence[str]) -> int:
    """Prints the speed of the replies.

    Returns:
        0.
    """
    device = prepare_device()
    engines = {prefix: engine.name for prefix, engine in list_engines().items()}
    precision = resolve_precision(FLAGS.precision) if "own" in engines.values() else "float32"
    with tempfile.TemporaryDirectory() as directory:
        queries, vocabulary = gather_queries(FLAGS.corpus, directory)
        model_dir = Path(directory, "model")
        write_model(model_dir, vocabulary)
        programs = {} if len(engines) > 1 else measure_programs(model_dir, queries)
        bots = {prefix: load_and_trace(str(model_dir), engine=x) for prefix, x in engines.items()}
        figures: dict[str, Any] = {
            "engine": " ".join(engines.values()),
            "attention": FLAGS.attention,
            "precision": precision,
            "vocab_size": len(vocabulary),
            "batch_size": FLAGS.batch_size,
            "beam_size": FLAGS.beam_size,
            "queries": len(queries),
            **programs,
            **measure_searches(bots, queries),
        }
    report(f"replies of {FLAGS.reply_length} tokens on {device}", figures, FLAGS.json)
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
