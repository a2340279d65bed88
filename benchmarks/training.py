"""Speed of the training step: python -m benchmarks.training [--attention=luong --precision=auto].

**Utilisation** is the share of the machine's product rate that the step reaches. The operations
that a step needs are, a multiplication and an addition counting as two and real tokens alone,

    operations = 3 * 2 * (Q * query + R * reply + P * 2 * U)

Q being the batch's query tokens, R its reply tokens (end tokens counted) and P the sum over its
pairs of query tokens times reply tokens; forward once and backward twice make the 3. For U units,
E elements of a word vector, V words and L layers, with attention:

    query = 4 U (E + U) + (L - 1) 8 U^2 + U^2          the last term for the keys
    reply = 4 U (E + 2 U) + (L - 1) 8 U^2 + 2 U^2 + U V      and U^2 more for the additive score

The other attentions have as many U^2 as `MATRICES` says, and count as these apart from that.
Without attention the keys, U^2, the 2 U^2, the P term and one of the 2 U fall away. The rate is
that of a 2048 x 2048 x 2048 product of the same precision in the same process, in float32 the
better of TensorFlow's and NumPy's; NumPy has no shorter type that is fast.

With `--engine=both` either engine takes a step with every batch, in turns, and `own_over_addons` is
how many times as fast our own is: the median over the batches. Tokens per processor second (user
and system, of all threads) depend less on what else the machine does.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import truediv
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags

from benchmarks.engines import define_engine, list_engines
from benchmarks.machine import describe_products, measure_products, report
from benchmarks.sizes import define_sizes, make_config
from chatbot.dataset import Batch, BatchPlan, EncodingConfig, encode_corpus
from chatbot.network.device import prepare_device, resolve_precision
from chatbot.network.engine import Engine
from chatbot.network.seq2seq import Seq2Seq
from chatbot.programs.flags import FLAGS, run, show
from chatbot.settings.config import ModelConfig, TrainingConfig
from chatbot.text import EOS, SPECIAL_TOKENS
from chatbot.training.adam import Adam
from chatbot.training.distribution import Distribution
from chatbot.training.step import make_train_step

PURPOSE = "Measures the training step and compares it with the machine's product rate."

# DailyDialog's training pairs by length, per mille, from 1 token to 20 and more; the replies with
# their end tokens.
LENGTHS = {
    "query": [0, 15, 18, 26, 48, 58, 68, 70, 66, 63, 55, 50, 46, 42, 35, 35, 30, 27, 25, 222],
    "reply": [0, 0, 20, 24, 31, 50, 58, 63, 64, 60, 59, 53, 47, 45, 41, 35, 35, 31, 27, 257],
}

MATRICES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("dot", "scaled_dot"), (0, 0)),
    **dict.fromkeys(("luong", "scaled_luong", "luong_monotonic", "local_m"), (1, 0)),
    "multi_head": (2, 1),
    "second_order": (1.5, 0.5),
}
"""{attention: matrices [U, U] that a query token and a reply token take}, else one each."""


def define_flags() -> None:
    """Defines the flags of `python -m benchmarks.training`."""
    define_sizes()
    define_steps()
    flags.DEFINE_integer("runs", 3, "Runs; the figures are the runs' medians.", 1)
    define_engine()
    show("What to measure", "runs")


def define_steps() -> None:
    """Defines the flags of every benchmark that times training steps."""
    flags.DEFINE_float("dropout", 0.0, "Fraction dropped.", 0.0, 0.99)
    flags.DEFINE_enum(
        "precision", "auto", ["auto", "float32", "bfloat16", "float16"], "Type of the products."
    )
    flags.DEFINE_integer("steps", 20, "Timed steps of a run.", 1)
    show("What to measure", "precision", "steps")
    show("Sizes", "dropout")


def count_operations(config: ModelConfig, vocab_size: int, batch: Batch) -> int:
    """Counts the operations that a training step needs, as the module's docstring says."""
    units, size = config.rnn_size, config.embedding_size
    upper = (config.num_layers - 1) * 8 * units**2
    query = 4 * units * (size + units) + upper
    reply = 4 * units * (size + units) + upper + units * vocab_size
    pairs = 0
    if config.use_attention:
        keys, queried = MATRICES.get(config.attention, (1, 1))
        query += int(keys * units**2)
        reply += 4 * units**2 + 2 * units**2 + int(queried * units**2)
        pairs = int(np.sum(batch.query_lengths.astype(np.int64) * batch.reply_lengths))
    queries, replies = int(np.sum(batch.query_lengths)), int(np.sum(batch.reply_lengths))
    return 3 * 2 * (queries * query + replies * reply + pairs * 2 * units)


def draw_batches(batch_size: int, vocab_size: int, max_length: int) -> Iterator[Batch]:
    """Makes random pairs whose lengths are distributed as DailyDialog's, planned as in training.

    Args:
        batch_size: Pairs in a batch.
        vocab_size: Words to draw from.
        max_length: Longest side.

    Yields:
        Batches of one epoch.
    """
    generator = np.random.default_rng(1)
    lengths = {side: draw_lengths(generator, side, 20_000, max_length) for side in LENGTHS}
    plan = BatchPlan(lengths["query"], lengths["reply"], batch_size, 1)
    for n in range(plan.steps_per_epoch):
        indices = plan.indices(0, n)
        sides = [lengths[side][indices] for side in ("query", "reply")]
        query, reply = (_draw_ids(generator, side, vocab_size) for side in sides)
        reply[np.arange(len(indices)), sides[1] - 1] = EOS
        yield Batch(query, sides[0], reply, sides[1])


def draw_lengths(generator: np.random.Generator, side: str, count: int, max_length: int) -> Any:
    """Draws lengths as DailyDialog has them.

    Args:
        generator: Where chance comes from.
        side: "query" or "reply"; a reply's end token counts.
        count: How many.
        max_length: Longest side, in tokens.

    Returns:
        `int32 [count]`, in tokens.
    """
    shares = LENGTHS[side]
    drawn = generator.choice(len(shares), count, p=np.array(shares) / sum(shares)) + 1
    return np.minimum(drawn, max_length).astype(np.int32)


def _draw_ids(generator: np.random.Generator, lengths: Any, vocab_size: int) -> Any:
    shape = (len(lengths), int(lengths.max()))
    ids = generator.integers(len(SPECIAL_TOKENS), vocab_size, shape, dtype=np.int32)
    return np.where(np.arange(shape[1]) < lengths[:, None], ids, 0)


def read_batches(corpus: str, directory: str) -> tuple[Iterator[Batch], int]:
    """Encodes a corpus and plans one epoch of it.

    Args:
        corpus: The dialogues.
        directory: Where the encoded form may lie.

    Returns:
        The batches and the words in the vocabulary.
    """
    settings = EncodingConfig(max_length=FLAGS.max_length, vocab_size=FLAGS.vocab_size)
    encoded, _, vocabulary = encode_corpus(corpus, "auto", directory, settings)
    plan = BatchPlan(encoded.query_lengths, encoded.reply_lengths, FLAGS.batch_size, 1)
    batches = (encoded.batch(plan.indices(0, n)) for n in range(plan.steps_per_epoch))
    return batches, len(vocabulary)


def make_step(
    config: ModelConfig, vocab_size: int, precision: str, engine: Engine
) -> tuple[Seq2Seq, Adam, Any]:
    """Makes a network that an engine runs, its optimizer and its training step."""
    model = Seq2Seq(config, vocab_size, precision=precision)
    model.engine = engine
    optimizer = Adam(model.trainable_variables, scale_losses=precision == "float16")
    return model, optimizer, make_train_step(model, optimizer, TrainingConfig(), Distribution())


def measure(batches: Iterator[Batch], vocab_size: int, config: ModelConfig) -> dict[str, Any]:
    """Trains for a few steps, in several runs: {figure: value}, each the median of the runs'."""
    precision, engines = resolve_precision(FLAGS.precision), list_engines()
    steps = {
        prefix: make_step(config, vocab_size, precision, engine)[-1]
        for prefix, engine in engines.items()
    }
    endless = itertools.cycle(batches)
    for batch in itertools.islice(endless, 2):  # traced, and its memory found
        for step in steps.values():
            take_step(step, batch, 0)
    runs = [
        time_run(steps, itertools.islice(endless, FLAGS.steps), precision, vocab_size, config)
        for _ in range(FLAGS.runs)
    ]
    figures = {
        name: statistics.median(run[name] for run in runs) if isinstance(value, float) else value
        for name, value in runs[0].items()
    }
    names = {"attention": FLAGS.attention, "precision": precision, "vocab_size": vocab_size}
    return {**names, "engine": " ".join(x.name for x in engines.values()), **figures}


def take_step(step: Any, batch: Batch, number: int) -> float:
    """Takes a training step on one device and waits for its loss."""
    scales = np.array([1 / np.sum(batch.reply_lengths)], np.float32)
    loss, _, _ = step((batch,), scales, 0.0, number, 1e-3)
    return float(loss)


def time_run(
    steps: Mapping[str, Any],
    batches: Iterable[Batch],
    precision: str,
    vocab_size: int,
    config: ModelConfig,
) -> dict[str, Any]:
    """Times one run, with the machine's product rate before and after it.

    Args:
        steps: The training steps, which take turns, each under its figures' prefix.
        batches: The pairs.
        precision: Type of the products.
        vocab_size: Words in the vocabulary.
        config: The network's settings.

    Returns:
        {figure: value}.
    """
    seconds: dict[str, list[float]] = {prefix: [] for prefix in steps}
    busy = dict.fromkeys(steps, 0.0)
    operations, tokens = [], 0
    before = measure_products(precision)
    for n, batch in enumerate(batches):
        for prefix, step in steps.items():
            start, busy_before = time.perf_counter(), time.process_time()
            take_step(step, batch, n)
            seconds[prefix].append(time.perf_counter() - start)
            busy[prefix] += time.process_time() - busy_before
        operations.append(count_operations(config, vocab_size, batch))
        tokens += int(np.sum(batch.reply_lengths))
    figures = describe_products(before, measure_products(precision))
    rate = 1e9 * figures["product_gigaflops"]
    for prefix, taken in seconds.items():
        figures[f"{prefix}step_milliseconds"] = 1000 * statistics.median(taken)
        figures[f"{prefix}tokens_per_second"] = tokens / sum(taken)
        figures[f"{prefix}tokens_per_processor_second"] = tokens / busy[prefix]
        shares = (needed / spent / rate for needed, spent in zip(operations, taken))
        figures[f"{prefix}utilisation"] = statistics.median(shares)
    if len(seconds) > 1:
        own, addons = seconds.values()
        figures["own_over_addons"] = statistics.median(map(truediv, addons, own))
    return figures


def main(_: Sequence[str]) -> int:
    """Prints the speed that the flags ask for.

    Returns:
        0.
    """
    device = prepare_device()
    tf.get_logger().setLevel("ERROR")
    config = make_config(FLAGS.dropout)
    with tempfile.TemporaryDirectory() as directory:
        if FLAGS.corpus:
            batches, vocab_size = read_batches(FLAGS.corpus, directory)
        else:
            vocab_size = FLAGS.vocab_size
            batches = draw_batches(FLAGS.batch_size, vocab_size, FLAGS.max_length)
        figures = measure(batches, vocab_size, config)
    report(f"training step on {device}", figures, FLAGS.json)
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
