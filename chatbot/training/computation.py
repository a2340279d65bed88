"""What a training computes, on one device or shared among replicas of the network."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from chatbot.dataset import Batch, EncodedCorpus
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import TrainingConfig
from chatbot.system.stopping import StopRequest
from chatbot.training.averages import Averages
from chatbot.training.distribution import Distribution
from chatbot.training.shared_step import make_shared_losses, make_shared_step
from chatbot.training.step import BATCH_SIGNATURE, WeightUpdate, make_train_step


class Work(NamedTuple):
    """A batch, as the replicas of this process take it.

    Attributes:
        indices: `int64 [B]`, the pairs of the whole batch, of all processes.
        tokens: Reply tokens of the whole batch.
        shares: The rows of each of this process' replicas.
        scales: `float32 [replicas here]`, what each share's sum of losses is multiplied by.
    """

    indices: npt.NDArray[np.int64]
    tokens: int
    shares: tuple[Batch, ...]
    scales: npt.NDArray[np.float32]


class OneDevice:
    """Trains and measures a network on one device."""

    def __init__(
        self,
        model: Seq2Seq,
        optimizer: Any,
        config: TrainingConfig,
        averages: Averages | None = None,
    ) -> None:
        """Prepares; nothing is traced yet.

        Args:
            model: The network.
            optimizer: From `make_optimizer`.
            config: The training's settings.
            averages: What follows the weights and is measured in their place, or None.
        """
        update = WeightUpdate(model, optimizer, config.weight_decay, averages)
        greatest, smoothing = config.max_gradient_norm, config.label_smoothing
        step = make_train_step(model, optimizer, greatest, config.seed, smoothing, update)
        self._make_step = step.get_concrete_function
        self._step: Any = None
        measured = model if averages is None else averages.model
        self._token_losses = tf.function(
            measured.token_log_losses, input_signature=BATCH_SIGNATURE, autograph=False
        )

    def trace(self) -> None:
        """Traces the training step, which takes seconds, before the first batch is drawn."""
        self._step = self._make_step()

    def gather(self, corpus: EncodedCorpus, indices: npt.NDArray[np.int64]) -> Work:
        """Reads what this process computes of a batch.

        Args:
            corpus: Where from.
            indices: `int64 [B]`, the whole batch.
        """
        batch = corpus.batch(indices)
        return Work(indices, int(np.sum(batch.reply_lengths)), (batch,), np.ones(1, np.float32))

    def must_stop(self, stop: StopRequest) -> bool:
        """Tells whether to stop before the next batch, in all processes alike."""
        return stop.requested

    def advance(
        self, work: Work, step: int, learning_rate: float, stop: StopRequest
    ) -> tuple[float, float]:
        """Takes one training step.

        Args:
            work: From `gather`.
            step: The step, from 0.
            learning_rate: Its step size.
            stop: What this process has been asked; all will know after this step.

        Returns:
            The mean loss of the whole batch (nats a token) and the global norm of its gradients.
        """
        loss, norm = self._step(*work.shares[0], step, learning_rate)
        return float(loss), float(norm)

    def sum_losses(self, work: Work, stop: StopRequest) -> float:
        """Measures a whole batch: the sum of its tokens' losses (nats); arguments as above."""
        return float(tf.reduce_sum(self._token_losses(*work.shares[0])))


class ManyReplicas:
    """Does the same as `OneDevice` with each batch cut into shares."""

    def __init__(
        self,
        model: Seq2Seq,
        optimizer: Any,
        config: TrainingConfig,
        distribution: Distribution,
        averages: Averages | None = None,
    ) -> None:
        """Prepares; nothing is traced yet.

        Args:
            model: The network, made in the distribution's scope.
            optimizer: From `make_optimizer`, made there too.
            config: The training's settings.
            distribution: The replicas.
            averages: What follows the weights and is measured in their place, made there too.
        """
        self._distribution = distribution
        self._stop_agreed = False
        self._step = make_shared_step(model, optimizer, config, distribution, averages)
        self._sum = make_shared_losses(averages.model if averages else model, distribution)

    def trace(self) -> None:
        """Traces the training step."""
        self._step.get_concrete_function()

    def gather(self, corpus: EncodedCorpus, indices: npt.NDArray[np.int64]) -> Work:
        """Reads the rows of this process' replicas, and no others.

        A replica without rows gets the batch's first and the scale 0: no loop of the network runs
        on no rows.
        """
        tokens = int(np.sum(corpus.reply_lengths[indices]))
        cut = np.array_split(indices, self._distribution.replicas)
        own = [cut[number] for number in self._distribution.own]
        shares = tuple(corpus.batch(rows if len(rows) else indices[:1]) for rows in own)
        scales = np.array([1 / tokens if len(rows) else 0 for rows in own], np.float32)
        return Work(indices, tokens, shares, scales)

    def must_stop(self, stop: StopRequest) -> bool:
        """Tells whether to stop: with several processes, what all have agreed on last."""
        return stop.requested if self._distribution.cluster is None else self._stop_agreed

    def advance(
        self, work: Work, step: int, learning_rate: float, stop: StopRequest
    ) -> tuple[float, float]:
        """Takes one training step together with all other processes."""
        loss, norm, asked = self._step(
            work.shares, work.scales, float(stop.requested), step, learning_rate
        )
        self._stop_agreed = float(asked) > 0
        return float(loss), float(norm)

    def sum_losses(self, work: Work, stop: StopRequest) -> float:
        """Measures a whole batch together with all other processes."""
        total, asked = self._sum(work.shares, work.scales, float(stop.requested))
        self._stop_agreed = self._stop_agreed or float(asked) > 0
        return float(total) * work.tokens


Computation = OneDevice | ManyReplicas


def make_computation(
    model: Seq2Seq,
    optimizer: Any,
    config: TrainingConfig,
    distribution: Distribution,
    averages: Averages | None = None,
) -> Computation:
    """Chooses between the two; arguments as for `ManyReplicas`."""
    if distribution.strategy is None:
        return OneDevice(model, optimizer, config, averages)
    return ManyReplicas(model, optimizer, config, distribution, averages)
