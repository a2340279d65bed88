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
    """Perplexities a token and a word, e to the mean loss in nats, end tokens counted.

    A loss a word is that of all pieces and end tokens over the number of words and end tokens
    (Mielke 2019, "Can you compare perplexity across different segmentations?"), so that it does not
    depend on how words are cut. Where words are tokens the two are the same.

    Attributes:
        everything: That of all validation pairs, a token.
        unseen: That of the pairs that do not occur word for word in the training corpus; None where
            these are all or next to none.
        words: Everything, a word.
        unseen_words: The unseen pairs, a word, or None.
    """

    everything: float
    unseen: float | None
    words: float
    unseen_words: float | None

    @property
    def decisive(self) -> float:
        """What decides which checkpoint is best: the model may have memorised pairs it has seen."""
        return self.everything if self.unseen is None else self.unseen

    def list_figures(self) -> dict[str, float]:
        """Names what there is, for a report."""
        named = {
            "validation_perplexity": self.everything,
            "validation_perplexity_unseen": self.unseen,
            "validation_word_perplexity": self.words,
            "validation_word_perplexity_unseen": self.unseen_words,
        }
        return {name: value for name, value in named.items() if value is not None}

    def describe(self) -> str:
        """Writes them for a person; those a word where they are others."""
        pairs = [(f"validation perplexity {self.everything:.2f}", self.words, self.everything)]
        if self.unseen is not None and self.unseen_words is not None:
            pairs.append((f"unseen pairs {self.unseen:.2f}", self.unseen_words, self.unseen))
        first, *rest = (
            text if word == token else f"{text}, {word:.2f} a word" for text, word, token in pairs
        )
        return first + "".join(f" ({text})" for text in rest)


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
        losses = np.zeros(2)  # of unseen pairs, of known ones
        counts = np.zeros([2, 2], dtype=np.int64)  # their tokens, their words
        with tqdm(
            total=len(self._corpus), desc="validating", unit="pair", leave=False, disable=hidden
        ) as bar:
            for is_known, indices in self._draw_batches():
                if computation.must_stop(stop):
                    return None
                work = computation.gather(self._corpus, indices)
                losses[is_known] += computation.sum_losses(work, stop)
                counts[:, is_known] += work.tokens, work.words
                bar.update(len(indices))
        tokens, words = (to_perplexity(float(losses.sum() / count.sum())) for count in counts)
        if not self.has_unseen:
            return Perplexities(tokens, None, words, None)
        unseen, unseen_words = (to_perplexity(float(losses[0] / count[0])) for count in counts)
        return Perplexities(tokens, unseen, words, unseen_words)

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
