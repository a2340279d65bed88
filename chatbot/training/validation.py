"""What a training measures between its steps: perplexity, of all pairs and of the unseen ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from chatbot.dataset import EncodedCorpus, EvaluationPlan
from chatbot.storage.reports import to_perplexity
from chatbot.system.stopping import StopRequest
from chatbot.training.computation import Computation

LEAST_UNSEEN = 0.01
"""Share of the pairs below which the unseen ones are too few to mean anything."""


class Perplexities(NamedTuple):
    """Perplexities a token, e to the mean loss in nats, end tokens counted.

    Attributes:
        everything: That of all validation pairs.
        unseen: That of the pairs that do not occur word for word in the training corpus; None where
            these are all or next to none.
    """

    everything: float
    unseen: float | None

    @property
    def decisive(self) -> float:
        """What decides which checkpoint is best: the model may have memorised pairs it has seen."""
        return self.everything if self.unseen is None else self.unseen


class Validation:
    """Measures the pairs of a validation corpus.

    Attributes:
        has_unseen: Whether the unseen pairs have a perplexity of their own.
    """

    def __init__(self, corpus: EncodedCorpus, train: EncodedCorpus, batch_size: int) -> None:
        """Finds out which pairs occur in the training corpus too."""
        self._corpus = corpus
        self._batch_size = batch_size
        self._known = corpus.find_in(train)
        self._seen = int(self._known.sum())
        unseen = len(corpus) - self._seen
        self.has_unseen = self._seen > 0 and unseen > LEAST_UNSEEN * len(corpus)

    def measure(
        self, computation: Computation, stop: StopRequest, hidden: bool = False
    ) -> Perplexities | None:
        """Measures all pairs; returns None when somebody asked to stop meanwhile."""
        losses, tokens = np.zeros(2), np.zeros(2, dtype=np.int64)  # of unseen pairs, of known ones
        with tqdm(
            total=len(self._corpus), desc="validating", unit="pair", leave=False, disable=hidden
        ) as bar:
            for is_known, indices in self._draw_batches():
                if computation.must_stop(stop):
                    return None
                work = computation.gather(self._corpus, indices)
                losses[is_known] += computation.sum_losses(work, stop)
                tokens[is_known] += work.tokens
                bar.update(len(indices))
        everything = to_perplexity(float(losses.sum() / tokens.sum()))
        if not self.has_unseen:
            return Perplexities(everything, None)
        return Perplexities(everything, to_perplexity(float(losses[0] / tokens[0])))

    def _draw_batches(self) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        """Yields 0 or 1, for unseen or known pairs, and the numbers of a batch's pairs."""
        for is_known in (0, 1):
            members = np.flatnonzero(self._known == is_known)
            if len(members):
                lengths = self._corpus.query_lengths[members], self._corpus.reply_lengths[members]
                for batch in EvaluationPlan(*lengths, self._batch_size):
                    yield is_known, members[batch]

    def describe(self) -> str:
        """Returns one line about the pairs that occur in the training corpus too, or ""."""
        if not self._seen:
            return ""
        count = len(self._corpus)
        line = (
            f"{self._seen:,} of the {count:,} validation pairs ({self._seen / count:.1%}) occur in "
            "the training corpus too"
        )
        return f"{line}; the others decide which checkpoint is best" if self.has_unseen else line
