"""What each step of a training learns."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from chatbot.dataset import BatchPlan, Corpora
from chatbot.dataset.random_contexts import RandomContexts
from chatbot.dataset.sampling import Sampler, Source
from chatbot.settings.config import Config
from chatbot.text import SLOTS, UNK
from chatbot.training.frequency import weigh_words


class Batches:
    """The pairs of each step and how they are read, a function of the seed and the step alone.

    Attributes:
        steps_per_epoch: Batches in an epoch.
    """

    def __init__(self, corpora: Corpora, config: Config) -> None:
        """Plans; nothing is read yet."""
        self._corpora, self._config = corpora, config.training
        train, seed = corpora.train, self._config.seed
        lengths = train.query_lengths, train.reply_lengths
        self._plan = BatchPlan(*lengths, self._config.batch_size, seed)
        share, turns = self._config.random_context, config.corpus.context_turns
        self._contexts = RandomContexts(train, share, turns, seed)
        amount, side = self._config.subword_sampling, self._config.subword_sampling_side
        self._sampler = Sampler(train, corpora.vocabulary, amount, seed, side)
        self.steps_per_epoch = self._plan.steps_per_epoch

    def open(self, step: int) -> tuple[Source, npt.NDArray[np.int64]]:
        """Returns where a step, from 0, reads from, and which pairs: `int64 [B]`."""
        epoch, number = divmod(step, self.steps_per_epoch)
        read = functools.partial(self._contexts.batch, epoch=epoch, number=number)
        return self._sampler.open_epoch(epoch, read), self._plan.indices(epoch, number)

    def weigh_words(self) -> Any:
        """Returns the weights of the words in the loss, `float32 [V]`, or None for equal ones.

        Copied words, behind the vocabulary, weigh what the unknown token does.
        """
        if self._config.frequency_loss == 0:
            return None
        counts = self._corpora.train.count_reply_words(len(self._corpora.vocabulary))
        weights = weigh_words(counts, self._config.frequency_loss)
        return np.append(weights, np.full(SLOTS, weights[UNK]))
