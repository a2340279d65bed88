"""Where a training step's time goes: python -m benchmarks.ablation [--attention --precision].

Each part is run and differentiated alone, on one batch of the sizes that benchmarks.training has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from benchmarks.machine import describe_products, measure_products, report, time_calls
from benchmarks.training import define_flags, draw_batches, make_config, take_step
from chatbot.dataset import Batch
from chatbot.network.device import computing_in, has_gpu, prepare_device, resolve_precision
from chatbot.network.losses import gather_real
from chatbot.network.seq2seq import Seq2Seq
from chatbot.programs.flags import FLAGS, run
from chatbot.settings.config import TrainingConfig
from chatbot.training.distribution import Distribution
from chatbot.training.step import make_optimizer, make_train_step

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


def list_parts(model: Seq2Seq, batch: Batch, optimizer: Any) -> dict[str, Callable[[], Any]]:
    """Cuts a training step into parts.

    Args:
        model: The network.
        batch: The pairs.
        optimizer: From `make_optimizer`.

    Returns:
        {part: a call that runs it and waits}.
    """
    query_ids, query_lengths, reply_ids, reply_lengths = map(tf.constant, batch)
    words, replies = model.embed(query_ids), model.embed(reply_ids)
    encoded = tf.function(model.encoder)(words, query_lengths)
    outputs = tf.function(model.decoder.teacher_forced)(encoded, replies, reply_lengths)
    decoder_variables = list(model.decoder.trainable_variables)
    gradients = [tf.ones_like(variable) for variable in model.trainable_variables]

    def project() -> tf.Tensor:
        targets = gather_real(reply_ids, reply_lengths)
        return model.project_losses(gather_real(outputs, reply_lengths), targets)

    @tf.function(autograph=False)
    def update() -> None:
        clipped, _ = tf.clip_by_global_norm(gradients, 5.0)
        optimizer.apply_gradients(zip(clipped, model.trainable_variables))

    return {
        "encoder": differentiate(
            lambda: model.encoder(words, query_lengths), [words, *model.encoder.trainable_variables]
        ),
        "decoder_loop": differentiate(
            lambda: model.decoder.teacher_forced(encoded, replies, reply_lengths),
            [replies, encoded.memory, *decoder_variables],
        ),
        "projection": differentiate(project, [outputs, *model.projection.trainable_variables]),
        "clip_and_adam": update,
    }


def main(_: Sequence[str]) -> int:
    """Prints the time of each part.

    Returns:
        0.
    """
    device, precision = prepare_device(), resolve_precision(FLAGS.precision)
    batches = list(draw_batches(FLAGS.batch_size, FLAGS.vocab_size, FLAGS.max_length))
    batch = batches[len(batches) // 2]
    with computing_in(precision):
        model = Seq2Seq(make_config(FLAGS.dropout), FLAGS.vocab_size)
    model.compute_fast(not FLAGS.plain and not has_gpu())
    optimizer = make_optimizer(precision)
    step = make_train_step(model, optimizer, TrainingConfig(), Distribution())
    figures = {"precision": precision, "attention": FLAGS.attention}
    figures.update(describe_products(measure_products(precision)))
    for name, part in list_parts(model, batch, optimizer).items():
        figures[f"{name}_milliseconds"] = 1000 * time_calls(part, FLAGS.steps)
    whole = time_calls(lambda: take_step(step, batch, 1), FLAGS.steps)
    figures["whole_step_milliseconds"] = 1000 * whole
    shape = f"{batch.query_ids.shape} queries, {batch.reply_ids.shape} replies"
    report(f"parts of a training step on {device}, {shape}", figures, FLAGS.json)
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
