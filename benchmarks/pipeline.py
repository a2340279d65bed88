"""Speed and memory of the way from text to batches: python -m benchmarks.pipeline.

Two files of tab-separated pairs are made by repeating a corpus, or random dialogues: a large one of
`--pairs` pairs and a small one of `--few`. Of the large one is measured

    encoding_pairs_per_second   encoding it, from text to files on the disk
    open_seconds                opening it a second time
    batch_tokens_per_second     target tokens in the batches that are planned and gathered from it,
                                the permutation of the epoch (`permutation_seconds`) not counted
    step_tokens_per_second      target tokens that benchmarks.training takes of the same batches,
                                the faster engine's with `--engine=both`
    batches_over_step           their ratio
    anonymous_megabytes         the most anonymous memory that train.py has while it trains a small
                                network on it (see benchmarks.memory)

and beside the last `few_anonymous_megabytes`, the same of the small one, and what the large one
takes more, `extra_megabytes`: the epoch's permutation, 4 bytes a pair, is all that grows.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks.machine import report
from benchmarks.memory import watch_training
from benchmarks.sizes import make_config
from benchmarks.texts import draw_pairs
from benchmarks.training import define_flags as define_training_flags
from benchmarks.training import measure
from chatbot.corpus import read_pairs
from chatbot.dataset import (
    Batch,
    BatchPlan,
    EncodedCorpus,
    EncodingConfig,
    encode_corpus,
)
from chatbot.network.device import prepare_device
from chatbot.programs.flags import FLAGS, run, show

PURPOSE = (
    "Measures encoding, batches and memory, and compares batches with the training step. The "
    "defaults take four minutes, and three gigabytes in the directory for temporary files (TMPDIR)."
)
TARGETS = {
    "encoding_pairs_per_second": 25_000.0,
    "open_seconds": 3.0,
    "batches_over_step": 20.0,
    "extra_megabytes": 150.0,
}


def define_flags() -> None:
    """Defines the flags of `python -m benchmarks.pipeline`."""
    define_training_flags()
    flags.FLAGS.set_default("steps", 5)
    flags.DEFINE_integer("pairs", 10_000_000, "Pairs of the large corpus.", 1)
    flags.DEFINE_integer("few", 76_000, "Pairs of the small corpus.", 1)
    flags.DEFINE_integer("batches", 2_000, "Most batches of an epoch that are drawn.", 1)
    flags.DEFINE_integer("training_steps", 300, "Steps while whose memory is watched.", 1)
    show("What to measure", "pairs", "few", "batches", "training_steps")


def write_pairs(path: Path, count: int) -> None:
    """Writes tab-separated pairs: the corpus, or random dialogues, over and over.

    Args:
        path: The file.
        count: Pairs.
    """
    if FLAGS.corpus:
        read = ((pair.query, pair.reply) for pair in read_pairs(FLAGS.corpus))
        pairs = [(" ".join(query.split()), " ".join(reply.split())) for query, reply in read]
    else:
        pairs = list(draw_pairs(FLAGS.few, FLAGS.vocab_size))
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{query}\t{reply}\n" for query, reply in islice(cycle(pairs), count))


def measure_batches(corpus: EncodedCorpus) -> dict[str, float]:
    """Plans and gathers batches, and does nothing with them.

    Args:
        corpus: The pairs.

    Returns:
        {figure: value}.
    """
    plan = BatchPlan(corpus.query_lengths, corpus.reply_lengths, FLAGS.batch_size, 1)
    begin = time.perf_counter()
    plan.indices(0, 0)
    permuted = time.perf_counter()
    drawn = (
        corpus.batch(plan.indices(0, n)) for n in range(min(FLAGS.batches, plan.steps_per_epoch))
    )
    tokens = sum(int(np.sum(batch.reply_lengths)) for batch in drawn)
    return {
        "permutation_seconds": permuted - begin,
        "batch_tokens_per_second": tokens / (time.perf_counter() - permuted),
    }


def measure_step(corpus: EncodedCorpus, vocab_size: int) -> dict[str, Any]:
    """Trains for a few steps, as benchmarks.training does.

    Args:
        corpus: The pairs.
        vocab_size: Words in the vocabulary.

    Returns:
        {figure: value}.
    """
    plan = BatchPlan(corpus.query_lengths, corpus.reply_lengths, FLAGS.batch_size, 1)

    def draw() -> Iterator[Batch]:
        for n in range(plan.steps_per_epoch):
            yield corpus.batch(plan.indices(0, n))

    figures = measure(draw(), vocab_size, make_config(FLAGS.dropout))
    return {
        "precision": figures["precision"],
        **{name: rate for name, rate in figures.items() if name.endswith("_gigaflops")},
        "step_tokens_per_second": max(
            rate for name, rate in figures.items() if name.endswith("tokens_per_second")
        ),
    }


def measure_corpora(directory: Path) -> dict[str, Any]:
    """Makes both corpora and measures all but the training step's rate beside the batches'.

    Args:
        directory: Where the files may lie.

    Returns:
        {figure: value}.
    """
    settings = EncodingConfig(max_length=FLAGS.max_length, vocab_size=FLAGS.vocab_size)
    large, small, cache = (directory / name for name in ("large.tsv", "small.tsv", "encoded"))
    write_pairs(large, FLAGS.pairs)
    write_pairs(small, FLAGS.few)
    encode_corpus(small, "tsv", cache, settings, progress=False)
    begin = time.perf_counter()
    encode_corpus(large, "tsv", cache, settings)
    encoded = time.perf_counter()
    corpus, _, words = encode_corpus(large, "tsv", cache, settings)
    opened = time.perf_counter()
    sizes = {"max_length": FLAGS.max_length, "vocab_size": FLAGS.vocab_size}
    few, much = (
        watch_training(path, cache, sizes, FLAGS.training_steps)["anonymous_bytes"] / 1e6
        for path in (small, large)
    )
    batches, step = measure_batches(corpus), measure_step(corpus, len(words))
    return {
        "vocab_size": len(words),
        "encoding_pairs_per_second": len(corpus) / (encoded - begin),
        "open_seconds": opened - encoded,
        **batches,
        **step,
        "batches_over_step": batches["batch_tokens_per_second"] / step["step_tokens_per_second"],
        "anonymous_megabytes": much,
        "few_anonymous_megabytes": few,
        "extra_megabytes": much - few,
    }


def main(_: Sequence[str]) -> int:
    """Prints the speed and the memory.

    Returns:
        0.
    """
    device = prepare_device()
    with tempfile.TemporaryDirectory() as directory:
        figures: dict[str, Any] = {"pairs": FLAGS.pairs, "few_pairs": FLAGS.few}
        figures.update(measure_corpora(Path(directory)))
    figures.update({f"{name}_target": value for name, value in TARGETS.items()})
    report(f"from text to batches on {device}", figures, FLAGS.json)
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
