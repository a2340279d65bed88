"""What a training measures between its steps: the perplexity of pairs that are not learned from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from chatbot.dataset import EncodedCorpus, EvaluationPlan
from chatbot.metrics import to_perplexity
from chatbot.replicas import Computation
from chatbot.stopping import StopRequest


class Perplexities(NamedTuple):
    """Perplexities a token, e to the mean loss in nats, end tokens counted.

    Attributes:
        everything: That of all validation pairs.
        unseen: That of the pairs which do not stand in the training corpus too, word for word; None
            where all of them do, or none does.
    """

    everything: float
    unseen: float | None

    @property
    def decisive(self) -> float:
        """What tells a better checkpoint: a pair that is learned from can be known by heart."""
        return self.everything if self.unseen is None else self.unseen


class Validation:
    """Measures the pairs of a validation corpus.

    Attributes:
        seen: How many of them stand in the training corpus too.
        pairs: How many there are.
    """

    def __init__(self, corpus: EncodedCorpus, train: EncodedCorpus, batch_size: int) -> None:
        """Finds out which pairs stand in the training corpus too.

        Args:
            corpus: What to measure.
            train: What is learned from.
            batch_size: Pairs a batch.
        """
        self._corpus = corpus
        known = corpus.find_in(train)
        self.seen = int(known.sum())
        self.pairs = len(known)
        self._batches = [
            (is_unseen, members[batch])
            for is_unseen in (True, False)
            for members in [np.flatnonzero(known != is_unseen)]
            if len(members)
            for batch in EvaluationPlan(
                corpus.query_lengths[members], corpus.reply_lengths[members], batch_size
            )
        ]

    def measure(
        self, computation: Computation, stop: StopRequest, hidden: bool = False
    ) -> Perplexities | None:
        """Measures all pairs.

        Args:
            computation: Computes their losses.
            stop: Asked after every batch.
            hidden: Whether to do without a progress bar.

        Returns:
            The perplexities, or None when somebody asked to stop before they were known.
        """
        losses = {True: 0.0, False: 0.0}
        tokens = {True: 0, False: 0}
        bar = tqdm(self._batches, desc="validating", unit="batch", leave=False, disable=hidden)
        for is_unseen, indices in bar:
            if computation.must_stop(stop):
                return None
            work = computation.gather(self._corpus, indices)
            losses[is_unseen] += computation.sum_losses(work, stop)
            tokens[is_unseen] += work.tokens
        everything = to_perplexity(sum(losses.values()) / sum(tokens.values()))
        if not 0 < self.seen < self.pairs:
            return Perplexities(everything, None)
        return Perplexities(everything, to_perplexity(losses[True] / tokens[True]))

    def describe(self) -> str:
        """Returns one line about the pairs that are known already, or "" where there are none."""
        if not self.seen:
            return ""
        share = f"{self.seen:,} of these {self.pairs:,} pairs ({self.seen / self.pairs:.1%})"
        line = f"{share} stand in the training corpus too"
        if self.seen == self.pairs:
            return line
        return f"{line}; the others, unseen, decide which checkpoint is best"
