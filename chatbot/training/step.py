"""The training step: gradients, clipping, Adam and its step size."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import TrainingConfig
from chatbot.training.averages import Averages

BATCH_SIGNATURE = (
    tf.TensorSpec([None, None], tf.int32),
    tf.TensorSpec([None], tf.int32),
    tf.TensorSpec([None, None], tf.int32),
    tf.TensorSpec([None], tf.int32),
)
"""Query ids, query lengths, reply ids, reply lengths, of any size."""


def scheduled_learning_rate(config: TrainingConfig, step: int, total: int) -> float:
    """Returns the step size of one training step.

    Args:
        config: Base rate, schedule and warm-up.
        step: The step, from 0.
        total: Steps of the whole training.

    Returns:
        The base rate, less whatever warm-up and schedule take off.
    """
    done = step / total
    share = {
        "constant": 1.0,
        "linear": 1.0 - done,
        "cosine": 0.5 + 0.5 * math.cos(math.pi * done),
    }[config.learning_rate_schedule]
    warmth = min(1.0, (step + 1) / max(1, config.warmup_steps))
    return config.learning_rate * share * warmth


def count_steps(config: TrainingConfig, steps_per_epoch: int) -> int:
    """Counts the steps of the whole training.

    Args:
        config: Where `num_epochs` is 0, `max_steps` decides, and where that is 0 too, the size of
            the corpus.
        steps_per_epoch: Batches in an epoch, at least 1.

    Returns:
        The steps. Where the size decides, they are 40 epochs, at most 4,800 steps but at least 4
        epochs and 1,000 steps, rounded to whole epochs.
    """
    if config.num_epochs:
        every = config.num_epochs * steps_per_epoch
    else:
        many = max(1_000, min(40 * steps_per_epoch, 4_800), 4 * steps_per_epoch)
        every = config.max_steps or round(many / steps_per_epoch) * steps_per_epoch
    return min(every, config.max_steps or every)


def describe_jump(
    before: TrainingConfig, now: TrainingConfig, step: int, steps_per_epoch: int
) -> str:
    """Says how the step size jumps where a training goes on to another last step.

    Args:
        before: The settings so far.
        now: Those from now on, of the same schedule.
        step: Steps that are done.
        steps_per_epoch: Batches in an epoch.

    Returns:
        One line, "" where the step size goes on as it was planned.
    """
    planned, total = (count_steps(config, steps_per_epoch) for config in (before, now))
    if not 0 < step < total or planned == total or now.learning_rate_schedule == "constant":
        return ""
    last = scheduled_learning_rate(before, step - 1, planned)
    following = scheduled_learning_rate(now, step, total)
    return (
        f"note: the learning rate was {last:.3g} at step {step} and is {following:.3g} at the "
        f"next, for --learning_rate_schedule={now.learning_rate_schedule} ends at step {total} "
        f"now, not at {planned}"
    )


def make_optimizer(precision: str) -> Any:
    """Makes Adam (Kingma and Ba 2015) with the fused kernel, its slots float32.

    Args:
        precision: Under "float16" losses are scaled so that small gradients survive.

    Returns:
        A Keras optimizer whose learning rate is set at every step.
    """
    optimizer = tf.keras.optimizers.legacy.Adam(epsilon=1e-8)
    if precision == "float16":
        return tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
    return optimizer


def create_slots(optimizer: Any, model: Seq2Seq) -> None:
    """Makes Adam's slots now, so that a checkpoint finds them all.

    Args:
        optimizer: From `make_optimizer`.
        model: The network.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    _ = inner.iterations
    inner._create_all_weights(model.trainable_variables)  # no public way before a first step


class WeightUpdate:
    """One update of the weights: weight decay, Adam's step, and the averages that follow.

    Weight decay takes learning rate * decay * w off each weight matrix before Adam's step, which
    knows nothing of it (Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", who
    multiply by the schedule alone, not by the base rate); biases and other vectors are spared.
    """

    def __init__(
        self,
        model: Seq2Seq,
        optimizer: Any,
        weight_decay: float = 0.0,
        averages: Averages | None = None,
        strategy: Any = None,
    ) -> None:
        """Takes what an update is made of.

        Args:
            model: The network.
            optimizer: From `make_optimizer`.
            weight_decay: Times the learning rate, the share that is taken off.
            averages: What follows the weights, or None.
            strategy: The `tf.distribute.Strategy` that holds the weights; None for one device.
        """
        self._optimizer = optimizer
        self._weight_decay = weight_decay
        self._matrices = [x for x in model.trainable_variables if x.shape.rank > 1]
        self._averages = averages
        self._strategy = strategy or tf.distribute.get_strategy()

    def run_if_finite(
        self, number: tf.Tensor, learning_rate: tf.Tensor, apply: Callable[[], Any]
    ) -> None:
        """Updates the weights, unless the loss or the gradients' norm is not finite.

        Args:
            number: `float32 []`, the sum of the two.
            learning_rate: `float32 []`.
            apply: Takes Adam's step.
        """

        def run() -> bool:
            if self._weight_decay > 0:
                self._decay(learning_rate)
            apply()
            if self._averages is not None:
                self._averages.update(self._strategy, self._optimizer.iterations)
            return True

        def pass_over() -> bool:
            if _scales(self._optimizer):
                apply()  # which looks for itself, and lowers the scale
            return False

        tf.cond(tf.math.is_finite(number), run, pass_over)

    def _decay(self, learning_rate: tf.Tensor) -> None:
        kept = 1.0 - learning_rate * self._weight_decay

        def shrink(matrix: Any) -> Any:
            return matrix.assign(kept * matrix, read_value=False)

        for matrix in self._matrices:
            self._strategy.extended.update(matrix, shrink, group=False)


def make_train_step(
    model: Seq2Seq,
    optimizer: Any,
    max_gradient_norm: float,
    seed: int,
    label_smoothing: float = 0.0,
    update: WeightUpdate | None = None,
) -> Any:
    """Builds the traced training step.

    Args:
        model: The network.
        optimizer: From `make_optimizer`.
        max_gradient_norm: Gradients above this global norm are scaled down to it (Pascanu et al.
            2013, "On the difficulty of training recurrent neural networks").
        seed: Seed of the dropout.
        label_smoothing: See `losses`.
        update: How the weights are changed; None for Adam's step alone.

    Returns:
        A `tf.function` of a batch's four tensors, the step `int32 []` and the learning rate
        `float32 []` that updates the weights, unless loss or norm
        is not finite, and returns the mean loss (nats a token) and the
        global norm of the gradients before clipping.
    """
    variables = model.trainable_variables
    update = update or WeightUpdate(model, optimizer)

    def train_step(
        query_ids: tf.Tensor,
        query_lengths: tf.Tensor,
        reply_ids: tf.Tensor,
        reply_lengths: tf.Tensor,
        step: tf.Tensor,
        learning_rate: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def find_loss() -> tf.Tensor:
            batch = query_ids, query_lengths, reply_ids, reply_lengths
            return model.loss(*batch, tf.stack([seed, step]), label_smoothing)

        loss, gradients = find_gradients(find_loss, optimizer, variables)
        gradients, norm = tf.clip_by_global_norm(gradients, max_gradient_norm)
        optimizer.learning_rate.assign(learning_rate)
        apply = functools.partial(optimizer.apply_gradients, list(zip(gradients, variables)))
        update.run_if_finite(loss + norm, learning_rate, apply)
        return loss, norm

    scalars = (tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.float32))
    return tf.function(train_step, input_signature=BATCH_SIGNATURE + scalars, autograph=False)


def find_gradients(
    find_loss: Callable[[], tf.Tensor], optimizer: Any, variables: Sequence[Any]
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Computes a loss and its gradients.

    Args:
        find_loss: Computes it.
        optimizer: From `make_optimizer`; it may scale the loss on the way.
        variables: What to differentiate by.

    Returns:
        The loss and, for each variable, a gradient of its shape.
    """
    scaling = _scales(optimizer)
    with tf.GradientTape() as tape:
        loss = find_loss()
        scaled = optimizer.get_scaled_loss(loss) if scaling else loss
    gradients = tape.gradient(scaled, variables)
    if scaling:
        gradients = optimizer.get_unscaled_gradients(gradients)
    # Rows of the embedding that occur twice must be added before the norm is taken.
    return loss, [tf.convert_to_tensor(gradient) for gradient in gradients]


def _scales(optimizer: Any) -> bool:
    return isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer)
