"""The training step: gradients, clipping, Adam, in every replica of the network alike.

The replicas share each batch and compute the sums of one device over all of it: a replica divides
the sum of its tokens' losses by the number of tokens in the whole batch, the gradients are added up
over all replicas, and only then clipped and applied. One device is one replica.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import TrainingConfig
from chatbot.training.averages import Averages
from chatbot.training.distribution import Distribution

BATCH_SIGNATURE = (
    tf.TensorSpec([None, None], tf.int32),
    tf.TensorSpec([None], tf.int32),
    tf.TensorSpec([None, None], tf.int32),
    tf.TensorSpec([None], tf.int32),
)
"""Query ids, query lengths, reply ids, reply lengths, of any size."""
REPLICA_STREAM = 4000
"""Where the dropout streams of all replicas except the first begin."""

Tensors = Sequence[tf.Tensor]
Share = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
"""What `BATCH_SIGNATURE` describes."""


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
    """Makes Adam's slots now, so that a checkpoint finds them all."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    _ = inner.iterations
    inner._create_all_weights(model.trainable_variables)  # no public way before a first step


def make_train_step(
    model: Seq2Seq,
    optimizer: Any,
    config: TrainingConfig,
    distribution: Distribution,
    averages: Averages | None = None,
) -> Any:
    """Builds the traced training step.

    Gradients above `max_gradient_norm` are scaled down to it (Pascanu et al. 2013, "On the
    difficulty of training recurrent neural networks"). Weight decay takes learning rate * decay * w
    off each weight matrix before Adam's step, which knows nothing of it (Loshchilov and Hutter
    2019, "Decoupled Weight Decay Regularization", who multiply by the schedule alone, not by the
    base rate); biases and other vectors are spared.

    Args:
        model: The network, made in the distribution's scope.
        optimizer: From `make_optimizer`, made there too.
        config: The norm, the decay, the label smoothing, and the seed of the dropout.
        distribution: The replicas.
        averages: What follows the weights, made there too, or None.

    Returns:
        A `tf.function` of a share for each replica here, each four tensors; the shares' scales
        `float32 [replicas here]`, 1 / (reply tokens of the whole batch); a wish to stop
        `float32 []`; the step `int32 []`; the learning rate `float32 []`. It updates the weights
        of all replicas, unless loss or norm is not finite, and returns the mean loss of the whole
        batch (nats a token), the norm of its gradients before clipping, and the sum of all wishes.
    """
    scalars = (tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.float32))
    signature = (*_make_signature(distribution), *scalars)
    take = _TrainStep(model, optimizer, config, distribution, averages).take
    return tf.function(take, input_signature=signature, autograph=False)


class _TrainStep:
    """The parts of the training step; arguments as for `make_train_step`."""

    def __init__(
        self,
        model: Seq2Seq,
        optimizer: Any,
        config: TrainingConfig,
        distribution: Distribution,
        averages: Averages | None,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._scales_losses = isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer)
        self._config = config
        self._distribution = distribution
        self._strategy = distribution.strategy
        self._averages = averages
        self._variables = model.trainable_variables

    def take(
        self,
        shares: Sequence[Share],
        scales: tf.Tensor,
        wish: tf.Tensor,
        step: tf.Tensor,
        learning_rate: tf.Tensor,
    ) -> Tensors:
        self._optimizer.learning_rate.assign(learning_rate)
        *results, gradients = self._strategy.run(self._differentiate, (shares, scales, wish, step))
        loss, norm, wish = (self._strategy.experimental_local_results(x)[0] for x in results)
        apply = functools.partial(self._strategy.run, self._apply, (gradients,))
        # Outside the replicas, where alone a condition may stand round what they do together.
        self._update_if_finite(loss + norm, learning_rate, apply)
        return loss, norm, wish

    def _differentiate(
        self, shares: Sequence[Share], scales: tf.Tensor, wish: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Computes, in one replica, the same loss, norm, wish and gradients as in all others."""
        number, share, scale = _pick_own(self._distribution, shares, scales)
        seed = make_dropout_seed(self._config.seed, step, number)
        smoothing, optimizer = self._config.label_smoothing, self._optimizer
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(self._model.token_log_losses(*share, seed, smoothing)) * scale
            scaled = optimizer.get_scaled_loss(loss) if self._scales_losses else loss
        gradients = tape.gradient(scaled, self._variables)
        if self._scales_losses:
            gradients = optimizer.get_unscaled_gradients(gradients)
        # Rows of the embedding that occur twice must be added before the norm is taken.
        dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
        loss, wish, *dense = _add_up([loss, tf.identity(wish), *dense])
        clipped, norm = tf.clip_by_global_norm(dense, self._config.max_gradient_norm)
        return loss, norm, wish, clipped

    def _update_if_finite(
        self, number: tf.Tensor, learning_rate: tf.Tensor, apply: Callable[[], Any]
    ) -> None:
        """Updates weights and averages, unless the sum of loss and norm is not finite."""

        def update() -> bool:
            if self._config.weight_decay > 0:
                self._decay(learning_rate)
            apply()
            if self._averages is not None:
                self._averages.update(self._strategy, self._optimizer.iterations)
            return True

        def pass_over() -> bool:
            if self._scales_losses:
                apply()  # which looks for itself, and lowers the scale
            return False

        tf.cond(tf.math.is_finite(number), update, pass_over)

    def _decay(self, learning_rate: tf.Tensor) -> None:
        kept = 1.0 - learning_rate * self._config.weight_decay

        def shrink(matrix: Any) -> Any:
            return matrix.assign(kept * matrix, read_value=False)

        for matrix in (x for x in self._variables if x.shape.rank > 1):
            self._strategy.extended.update(matrix, shrink, group=False)

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        # They are added up already: the optimizer is not to do it again.
        self._optimizer.apply_gradients(
            zip(gradients, self._variables), experimental_aggregate_gradients=False
        )


def make_dropout_seed(seed: int, step: tf.Tensor, number: int) -> tf.Tensor:
    """Makes the seed, `int32 [2]`, of a replica's dropout in one step.

    Args:
        seed: Seed of the training.
        step: `int32 []`.
        number: The replica's; 0 draws what one device draws.
    """
    own = tf.stack([seed, step])
    if number == 0:
        return own
    return tf.random.experimental.stateless_fold_in(own, REPLICA_STREAM + number)


def make_loss_sum(model: Seq2Seq, distribution: Distribution) -> Any:
    """Builds the traced measurement.

    Args:
        model: The network, made in the distribution's scope.
        distribution: The replicas.

    Returns:
        A `tf.function` of shares, scales and wish, as in `make_train_step`, that returns the sum of
        all tokens' losses (nats), each share's times its scale, and the sum of all wishes.
    """
    strategy = distribution.strategy

    def measure(shares: Sequence[Share], scales: tf.Tensor, wish: tf.Tensor) -> Tensors:
        _, share, scale = _pick_own(distribution, shares, scales)
        loss = tf.reduce_sum(model.token_log_losses(*share)) * scale
        return _add_up([loss, tf.identity(wish)])

    def measure_all(shares: Sequence[Share], scales: tf.Tensor, wish: tf.Tensor) -> Tensors:
        results = strategy.run(measure, args=(shares, scales, wish))
        return [strategy.experimental_local_results(x)[0] for x in results]

    return tf.function(measure_all, input_signature=_make_signature(distribution), autograph=False)


def _make_signature(distribution: Distribution) -> tuple[Any, ...]:
    """Describes the shares, their scales and the wish."""
    here = len(distribution.own)
    shares = (BATCH_SIGNATURE,) * here
    return shares, tf.TensorSpec([here], tf.float32), tf.TensorSpec([], tf.float32)


def _pick_own(
    distribution: Distribution, shares: Sequence[Share], scales: tf.Tensor
) -> tuple[int, Share, tf.Tensor]:
    """Returns the number of the replica that asks, its share and the share's scale."""
    context = tf.distribute.get_replica_context()
    number = int(tf.get_static_value(context.replica_id_in_sync_group))
    place = distribution.own.index(number)
    return number, shares[place], scales[place]


def _add_up(values: list[tf.Tensor]) -> list[tf.Tensor]:
    """Adds up values over all replicas of all processes."""
    context = tf.distribute.get_replica_context()
    return list(context.all_reduce(tf.distribute.ReduceOp.SUM, values))
