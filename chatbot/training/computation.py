"""What a training computes of a batch, each replica of the network its share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chatbot.dataset import Batch
from chatbot.dataset.sampling import Source
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import TrainingConfig
from chatbot.system.stopping import StopRequest
from chatbot.training.adam import Adam
from chatbot.training.averages import Averages
from chatbot.training.distribution import Distribution
from chatbot.training.step import make_loss_sum, make_train_step


class Work(NamedTuple):
    """A batch, as the replicas of this process take it.

    Attributes:
        indices: `int64 [B]`, the pairs of the whole batch, of all processes.
        tokens: Reply tokens of the whole batch.
        words: Reply words of the whole batch, end tokens among them.
        shares: The rows of each of this process' replicas.
        counts: `float32 [replicas here]`, 1 for each share, 0 for a placeholder.
    """

    indices: npt.NDArray[np.int64]
    tokens: int
    words: int
    shares: tuple[Batch, ...]
    counts: npt.NDArray[np.float32]


class Computation:
    """Trains and measures a network together with all other processes."""

    def __init__(
        self,
        model: Seq2Seq,
        optimizer: Adam,
        config: TrainingConfig,
        distribution: Distribution,
        averages: Averages | None = None,
        weights: npt.NDArray[np.float32] | None = None,
        total_steps: int = 1,
    ) -> None:
        """Prepares; nothing is traced yet.

        Args:
            model: The network, made in the distribution's scope.
            optimizer: Adam over the network's variables, made there too.
            config: The training's settings.
            distribution: The replicas.
            averages: What follows the weights and is measured in their place, made there too.
            weights: `float32 [V]`, of each word in the loss; None for equal ones.
            total_steps: Those of the whole training.
        """
        self._distribution = distribution
        self._stop_agreed = False
        given = model, optimizer, config, distribution, averages, weights, total_steps
        self._step = make_train_step(*given)
        self._sum_losses = make_loss_sum(averages.model if averages else model, distribution)

    def trace(self) -> None:
        """Traces the training step, which takes seconds, before the first batch is drawn."""
        # A call of this one takes half a millisecond less than a call of the `tf.function`.
        self._step = self._step.get_concrete_function()

    def gather(self, corpus: Source, indices: npt.NDArray[np.int64]) -> Work:
        """Reads the rows of this process' replicas, and no others.

        A replica without rows gets the batch's first as a placeholder, for the network's loops
        cannot run on no rows.

        Args:
            corpus: Where from.
            indices: `int64 [B]`, the whole batch.
        """
        counts = corpus.count_tokens(indices), corpus.count_words(indices)
        cut = np.array_split(indices, self._distribution.replicas)
        own = [cut[number] for number in self._distribution.own]
        shares = tuple(corpus.batch(rows if len(rows) else indices[:1]) for rows in own)
        are_real = np.array([len(rows) > 0 for rows in own], np.float32)
        return Work(indices, *counts, shares, are_real)

    def must_stop(self, stop: StopRequest) -> bool:
        """Tells whether to stop before the next batch: what all processes have agreed on last."""
        return stop.requested if self._distribution.cluster is None else self._stop_agreed

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
        scales, wish = work.counts / np.float32(work.tokens), float(stop.requested)
        loss, norm, asked = self._step(work.shares, scales, wish, step, learning_rate)
        self._stop_agreed = float(asked) > 0
        return float(loss), float(norm)

    def sum_losses(self, work: Work, stop: StopRequest) -> float:
        """Measures a whole batch: the sum of its tokens' losses (nats)."""
        total, asked = self._sum_losses(work.shares, work.counts, float(stop.requested))
        self._stop_agreed = self._stop_agreed or float(asked) > 0
        return float(total)
