"""The training step of several replicas that share each batch.

The sums are those of one device over the whole batch: a replica divides the sum of its tokens'
losses by the number of tokens in the whole batch, the gradients are added up over all replicas,
and only then clipped and applied, in every replica alike.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import TrainingConfig
from chatbot.training.averages import Averages
from chatbot.training.distribution import Distribution
from chatbot.training.step import BATCH_SIGNATURE, WeightUpdate, find_gradients

REPLICA_STREAM = 4000
"""Where the replicas' dropout streams begin."""

Tensors = Sequence[tf.Tensor]
Share = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
"""Query ids, query lengths, reply ids, reply lengths."""


def make_shared_step(
    model: Seq2Seq,
    optimizer: Any,
    config: TrainingConfig,
    distribution: Distribution,
    averages: Averages | None = None,
) -> Any:
    """Builds the traced training step; compare `make_train_step`.

    Args:
        model: The network, made in the distribution's scope.
        optimizer: From `make_optimizer`, made there too.
        config: The greatest norm of the gradients, the seed of the dropout and the rest.
        distribution: The replicas.
        averages: What follows the weights, made in the distribution's scope too.

    Returns:
        A `tf.function` of a share for each replica here, each four tensors; the shares' scales
        `float32 [replicas here]`, 1 / (reply tokens of the whole batch); a wish to stop
        `float32 []`; the step `int32 []`; the learning rate `float32 []`. It updates the weights
        of all replicas, unless loss or norm is not finite, and returns the mean loss of the whole
        batch, the norm of its gradients before clipping, and the sum of all wishes.
    """
    more = (tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.float32))
    signature = (*_make_signature(distribution), *more)
    take = _SharedStep(model, optimizer, config, distribution, averages).take
    return tf.function(take, input_signature=signature, autograph=False)


class _SharedStep:
    """The parts of the training step; arguments as for `make_shared_step`."""

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
        self._config = config
        self._distribution = distribution
        self._variables = model.trainable_variables
        self._update = WeightUpdate(
            model, optimizer, config.weight_decay, averages, distribution.strategy
        )

    def take(
        self,
        shares: Sequence[Share],
        scales: tf.Tensor,
        wish: tf.Tensor,
        step: tf.Tensor,
        learning_rate: tf.Tensor,
    ) -> Tensors:
        strategy = self._distribution.strategy
        self._optimizer.learning_rate.assign(learning_rate)
        *results, gradients = strategy.run(self._differentiate, (shares, scales, wish, step))
        loss, norm, wish = (strategy.experimental_local_results(x)[0] for x in results)
        apply = functools.partial(strategy.run, self._apply, (gradients,))
        # Outside the replicas, where alone a condition may stand round what they do together.
        self._update.run_if_finite(loss + norm, learning_rate, apply)
        return loss, norm, wish

    def _differentiate(
        self, shares: Sequence[Share], scales: tf.Tensor, wish: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Computes, in one replica, the same loss, norm, wish and gradients as in all others."""
        number, share, scale = _pick_own(self._distribution, shares, scales)
        seed = make_dropout_seed(self._config.seed, step, number)

        def find_loss() -> tf.Tensor:
            smoothing = self._config.label_smoothing
            losses = self._model.token_log_losses(*share, seed, smoothing)
            return tf.reduce_sum(losses) * scale

        loss, gradients = find_gradients(find_loss, self._optimizer, self._variables)
        loss, wish, *gradients = _add_up([loss, tf.identity(wish), *gradients])
        gradients, norm = tf.clip_by_global_norm(gradients, self._config.max_gradient_norm)
        return loss, norm, wish, gradients

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        # They are added up already: the optimizer is not to do it again.
        self._optimizer.apply_gradients(
            zip(gradients, self._variables), experimental_aggregate_gradients=False
        )


def make_dropout_seed(seed: int, step: tf.Tensor, number: int) -> tf.Tensor:
    """Makes a replica's seed of the dropout in one step.

    Args:
        seed: Seed of the training.
        step: `int32 []`.
        number: The replica's; 0 draws what one device draws.

    Returns:
        `int32 [2]`.
    """
    own = tf.stack([seed, step])
    if number == 0:
        return own
    return tf.random.experimental.stateless_fold_in(own, REPLICA_STREAM + number)


def make_shared_losses(model: Seq2Seq, distribution: Distribution) -> Any:
    """Builds the traced measurement.

    Args:
        model: The network, made in the distribution's scope.
        distribution: The replicas.

    Returns:
        A `tf.function` of shares, scales and wish, as in `make_shared_step`, that returns the
        mean loss of the whole batch and the sum of all wishes.
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
