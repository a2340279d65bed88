"""Where a training step's time goes: python -m benchmarks.ablation [--attention --precision].

Each part is run and differentiated alone, on one batch of the sizes that benchmarks.training has;
with `--engine=both` by both engines in turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from benchmarks.engines import list_engines
from benchmarks.machine import describe_products, measure_products, report, time_in_turns
from benchmarks.sizes import make_config
from benchmarks.training import define_flags, draw_batches, make_step, take_step
from chatbot.dataset import Batch
from chatbot.network.device import prepare_device, resolve_precision
from chatbot.network.encoder import Encoded
from chatbot.network.losses import gather_real
from chatbot.network.seq2seq import Seq2Seq
from chatbot.programs.flags import FLAGS, run
from chatbot.training.adam import Adam

PURPOSE = "Measures the parts of a training step, each alone."


def differentiate(compute: Callable[[], Any], sources: Sequence[Any]) -> Callable[[], Any]:
    """Traces a computation and its gradients.

    Args:
        compute: Returns tensors.
        sources: Tensors and variables to differentiate by.

    Returns:
        A call that waits for every gradient.
    """

    @tf.function(autograph=False)
    def gradients() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([x for x in sources if not isinstance(x, tf.Variable)])
            results = compute()
        found = tape.gradient(results, sources, unconnected_gradients="zero")
        return [
            x.values[0, 0] if isinstance(x, tf.IndexedSlices) else tf.reduce_max(x[:1])
            for x in found
        ]

    return lambda: [x.numpy() for x in gradients()]


def list_parts(model: Seq2Seq, batch: Batch, optimizer: Adam) -> dict[str, Callable[[], Any]]:
    """Cuts a training step into parts.

    Args:
        model: The network.
        batch: The pairs.
        optimizer: Adam over the network's variables.

    Returns:
        {part: a call that runs it and waits}.
    """
    query_ids, query_lengths, reply_ids, reply_lengths = map(tf.constant, batch)
    words, replies = model.embed(query_ids), model.embed(reply_ids)

    def encode() -> Encoded:
        return model.encoder(words, query_lengths, model.engine)

    def decode() -> tf.Tensor:
        return model.decoder.teacher_forced(encoded, replies, reply_lengths, model.engine)

    encoded = tf.function(encode)()
    outputs = tf.function(decode)()
    decoder_variables = list(model.decoder.trainable_variables)
    gradients = [tf.ones_like(variable) for variable in model.trainable_variables]

    def project() -> tf.Tensor:
        targets = gather_real(reply_ids, reply_lengths)
        return model.project_losses(gather_real(outputs, reply_lengths), targets)

    @tf.function(autograph=False)
    def update() -> None:
        clipped, _ = tf.clip_by_global_norm(gradients, 5.0)
        optimizer.apply(tf.distribute.get_strategy(), clipped)

    return {
        "encoder": differentiate(encode, [words, *model.encoder.trainable_variables]),
        "decoder_loop": differentiate(decode, [replies, encoded.memory, *decoder_variables]),
        "projection": differentiate(project, [outputs, *model.projection.trainable_variables]),
        "clip_and_adam": update,
    }


def main(_: Sequence[str]) -> int:
    """Prints the time of each part.

    Returns:
        0.
    """
    device, precision = prepare_device(), resolve_precision(FLAGS.precision)
    tf.get_logger().setLevel("ERROR")  # it warns that alike functions are traced again
    batches = list(draw_batches(FLAGS.batch_size, FLAGS.vocab_size, FLAGS.max_length))
    batch, config, parts = batches[len(batches) // 2], make_config(FLAGS.dropout), {}
    for prefix, engine in list_engines().items():
        model, optimizer, step = make_step(config, FLAGS.vocab_size, precision, engine)
        parts[prefix] = list_parts(model, batch, optimizer)
        parts[prefix]["whole_step"] = partial(take_step, step, batch, 1)
    figures = {"precision": precision, "attention": FLAGS.attention}
    figures.update(describe_products(measure_products(precision)))
    for name in next(iter(parts.values())):
        calls = {prefix: found[name] for prefix, found in parts.items()}
        for prefix, seconds in time_in_turns(calls, FLAGS.steps).items():
            figures[f"{prefix}{name}_milliseconds"] = 1000 * seconds
    shape = f"{batch.query_ids.shape} queries, {batch.reply_ids.shape} replies"
    report(f"parts of a training step on {device}, {shape}", figures, FLAGS.json)
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
