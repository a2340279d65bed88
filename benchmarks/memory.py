"""What one process needs to draw a corpus' batches; benchmarks.pipeline starts it.

It prints one JSON object: `open_seconds`, the time to open the corpus, which should be encoded
already, and `anonymous_bytes`, the most anonymous memory (RssAnon, which does not count the pages
of mapped files) that it had while it planned and drew batches of two epochs.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from chatbot.dataset import BatchPlan, EncodedCorpus, EncodingConfig, encode_corpus
from chatbot.flags import FLAGS, run, show

PURPOSE = "Draws batches of an encoded corpus and prints the memory that took, as JSON."
STATUS = Path("/proc/self/status")
EVERY = 20
"""Batches between two looks at the memory."""


def define_flags() -> None:
    """Defines the flags of `python -m benchmarks.memory`."""
    flags.DEFINE_string("corpus", "", "Dialogues.")
    flags.DEFINE_string("cache_dir", "", "Directory of encoded corpora.")
    flags.DEFINE_integer("max_length", 20, "Tokens a side.", 2)
    flags.DEFINE_integer("vocab_size", 20_000, "Words.", 6)
    flags.DEFINE_integer("batch_size", 128, "Pairs in a batch.", 1)
    flags.DEFINE_integer("batches", 2_000, "Most batches of an epoch that are drawn.", 1)
    show("What to draw", "corpus", "cache_dir", "max_length", "vocab_size")
    show("What to draw", "batch_size", "batches")


def read_anonymous_memory() -> int:
    """Returns this process's anonymous memory, in bytes."""
    found = re.search(r"^RssAnon:\s+(\d+) kB$", STATUS.read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise OSError(f"{STATUS} has no RssAnon")
    return 1024 * int(found[1])


def draw_batches(corpus: EncodedCorpus, batch_size: int, most: int) -> int:
    """Plans two epochs and draws their batches.

    Args:
        corpus: The pairs.
        batch_size: Pairs in a batch.
        most: Batches of each epoch that are drawn.

    Returns:
        The most anonymous memory that was seen, in bytes.
    """
    plan = BatchPlan(corpus.query_lengths, corpus.reply_lengths, batch_size, 1)
    largest = 0
    for epoch in range(2):
        for n in range(min(most, plan.steps_per_epoch)):
            batch = corpus.batch(plan.indices(epoch, n))
            if n % EVERY == 0:
                largest = max(largest, read_anonymous_memory())
            del batch
    return largest


def main(_: Sequence[str]) -> int:
    """Prints the time and the memory.

    Returns:
        0.
    """
    settings = EncodingConfig(max_length=FLAGS.max_length, vocab_size=FLAGS.vocab_size)
    begin = time.perf_counter()
    opened = encode_corpus(FLAGS.corpus, "tsv", FLAGS.cache_dir, settings, progress=False)
    seconds = time.perf_counter() - begin
    largest = draw_batches(opened[0], FLAGS.batch_size, FLAGS.batches)
    print(json.dumps({"open_seconds": seconds, "anonymous_bytes": largest}))
    return 0


if __name__ == "__main__":
    define_flags()
    run(main, PURPOSE)
