"""The training step: gradients, clipping, Adam, in every replica of the network alike.

The replicas share each batch and compute the sums of one device over all of it: a replica divides
the sum of its tokens' losses by the number of tokens in the whole batch, the gradients are added up
over all replicas, and only then clipped and applied. One device is one replica.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from chatbot.network.losses import gather_real
from chatbot.network.scheduled_sampling import schedule
from chatbot.network.seq2seq import BATCH_SIGNATURE, Seq2Seq
from chatbot.settings.config import TrainingConfig
from chatbot.training.adam import Adam
from chatbot.training.averages import Averages
from chatbot.training.distribution import Distribution

REPLICA_STREAM = 4000
"""Where the dropout streams of all replicas except the first begin."""

Tensors = Sequence[tf.Tensor]
Share = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
"""What `BATCH_SIGNATURE` describes."""


def make_train_step(
    model: Seq2Seq,
    optimizer: Adam,
    config: TrainingConfig,
    distribution: Distribution,
    averages: Averages | None = None,
    weights: Any = None,
    total_steps: int = 1,
) -> Any:
    """Builds the traced training step.

    Gradients above `max_gradient_norm` are scaled down to it (Pascanu et al. 2013, "On the
    difficulty of training recurrent neural networks"). Weight decay takes learning rate * decay * w
    off each weight matrix before Adam's step, which knows nothing of it (Loshchilov and Hutter
    2019, "Decoupled Weight Decay Regularization", who multiply by the schedule alone, not by the
    base rate); biases and other vectors are spared, and so are word vectors if some are frozen.

    Args:
        model: The network, made in the distribution's scope.
        optimizer: Adam over the network's variables, made there too.
        config: The norm, the decay, the label smoothing, the scheduled sampling, the loss of
            looking twice, and the seed of the dropout.
        distribution: The replicas.
        averages: What follows the weights, made there too, or None.
        weights: `float32 [V]`, of each word in the loss; None for equal ones. The loss that is
            returned is unweighted.
        total_steps: Those of the whole training, which the scheduled sampling grows over.

    Returns:
        A `tf.function` of a share for each replica here, each four tensors; the shares' scales
        `float32 [replicas here]`, 1 / (reply tokens of the whole batch); a wish to stop
        `float32 []`; the step `int32 []`; the learning rate `float32 []`. It updates the weights
        of all replicas, unless loss or norm is not finite, and returns the mean loss of the whole
        batch (nats a token), the norm of its gradients before clipping, and the sum of all wishes.
    """
    scalars = (tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.float32))
    signature = (*_make_signature(distribution), *scalars)
    given = model, optimizer, config, distribution, averages, weights, total_steps
    take = _TrainStep(*given).take
    return tf.function(take, input_signature=signature, autograph=False)


class _TrainStep:
    """The parts of the training step; arguments as for `make_train_step`."""

    def __init__(
        self,
        model: Seq2Seq,
        optimizer: Adam,
        config: TrainingConfig,
        distribution: Distribution,
        averages: Averages | None,
        weights: Any,
        total_steps: int,
    ) -> None:
        self._model = model
        self._total_steps = total_steps
        self._optimizer = optimizer
        self._config = config
        self._distribution = distribution
        self._strategy = distribution.strategy
        self._averages = averages
        self._weights = weights
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
        # Outside the replicas: only there a condition may enclose what they do together.
        self._update_if_finite(loss + norm, learning_rate, gradients)
        return loss, norm, wish

    def _differentiate(
        self, shares: Sequence[Share], scales: tf.Tensor, wish: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Computes, in one replica, the same loss, norm, wish and gradients as in all others."""
        number, share, scale = _pick_own(self._distribution, shares, scales)
        seed = make_dropout_seed(self._config.seed, step, number)
        smoothing, sampling = self._config.label_smoothing, self._schedule_sampling(step)
        given = smoothing, sampling, self._config.coverage_loss
        with tf.GradientTape() as tape:
            losses = self._model.token_log_losses(*share, seed, *given)
            loss = tf.reduce_sum(losses) * scale
            scaled = self._optimizer.scale(self._weigh(losses, loss, share, scale))
        # Rows of the embedding that occur twice must be added before the norm is taken.
        dense = [tf.convert_to_tensor(x) for x in tape.gradient(scaled, self._variables)]
        dense = self._optimizer.unscale(dense)
        loss, wish, *dense = _add_up([loss, tf.identity(wish), *dense])
        clipped, norm = tf.clip_by_global_norm(dense, self._config.max_gradient_norm)
        return loss, norm, wish, clipped

    def _schedule_sampling(self, step: tf.Tensor) -> tf.Tensor | None:
        probability = self._config.sampling_probability
        return schedule(probability, step, self._total_steps) if probability > 0 else None

    def _weigh(
        self, losses: tf.Tensor, loss: tf.Tensor, share: Share, scale: tf.Tensor
    ) -> tf.Tensor:
        """Returns the loss that is learned from: the plain one, or the weighted sum."""
        if self._weights is None:
            return loss
        _, _, reply_ids, reply_lengths = share
        weights = tf.gather(self._weights, gather_real(reply_ids, reply_lengths))
        return tf.reduce_sum(losses * weights) * scale

    def _update_if_finite(
        self, number: tf.Tensor, learning_rate: tf.Tensor, gradients: Sequence[Any]
    ) -> None:
        """Updates weights and averages, unless the sum of loss and norm is not finite."""

        def update() -> bool:
            if self._config.weight_decay > 0:
                self._decay(learning_rate)
            self._optimizer.apply(self._strategy, gradients)
            if self._averages is not None:
                self._averages.update(self._strategy, self._optimizer.iter)
            return True

        def pass_over() -> bool:
            self._optimizer.pass_over()
            return False

        tf.cond(tf.math.is_finite(number), update, pass_over)

    def _decay(self, learning_rate: tf.Tensor) -> None:
        kept = 1.0 - learning_rate * self._config.weight_decay

        def shrink(matrix: Any) -> Any:
            return matrix.assign(kept * matrix, read_value=False)

        spared = [] if self._model.frozen is None else [self._model.embedding]
        for matrix in (x for x in self._variables if x.shape.rank > 1):
            if any(matrix is other for other in spared):
                continue
            self._strategy.extended.update(matrix, shrink, group=False)


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
