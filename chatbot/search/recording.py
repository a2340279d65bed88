"""A beam search that records what it considered."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from chatbot.lite.recording import Candidates
from chatbot.search.beam import BeamSearch, Continuations, keep_best


class RecordingSearch(BeamSearch):
    """The plain beam over one query, recorded with as many dropped hypotheses as kept ones.

    Call it outside of graphs.

    Attributes:
        steps: What each step of the last search considered.
    """

    def __init__(self, network: Any) -> None:
        super().__init__(network)
        self.steps: list[Candidates] = []

    def __call__(self, *arguments: Any) -> Any:
        """Searches as `BeamSearch` does."""
        self.steps = []
        return super().__call__(*arguments)

    def _count_continuations(self, beam_size: tf.Tensor) -> tf.Tensor:
        return 2 * beam_size  # so that the best dropped ones are among them

    def _choose(self, found: Continuations) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        _, beam_size, continuations = found.tokens.shape
        count = min(2 * beam_size, beam_size * continuations)
        ids, parents, log_probs = keep_best(found.log_probs, found, count)
        tokens, places, values = (x[0].numpy() for x in (ids, parents, log_probs))
        real = values > -np.inf
        kept = int(np.sum(real[:beam_size]))
        self.steps.append(Candidates(tokens[real], places[real], values[real], kept))
        return ids[:, :beam_size], parents[:, :beam_size], log_probs[:, :beam_size]
