"""A beam search that records what it considered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from chatbot.beam_tree import Branch
from chatbot.search.beam import BeamSearch, Continuations, keep_best
from chatbot.text import EOS


class Candidates(NamedTuple):
    """The best continuations at one step for one query, the likeliest first.

    The first `kept` of them are the beam after the step; the others were dropped.

    Attributes:
        tokens: `int32 [N]`.
        parents: `int32 [N]`, places in the beam before the step.
        log_probs: `float32 [N]`, of the whole hypotheses, among what the rules allow.
        kept: How many the beam keeps, W.
    """

    tokens: Any
    parents: Any
    log_probs: Any
    kept: int


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


def make_tree(
    steps: Sequence[Candidates], decode: Callable[[Sequence[int]], list[str]]
) -> list[list[Branch]]:
    """Turns what each step of a search considered into a tree, the branches of every step.

    Args:
        steps: From a `RecordingSearch`.
        decode: Returns the words of ids.
    """
    return [
        [
            Branch(parent, word, log_prob, place < step.kept, token == EOS)
            for place, (parent, word, log_prob, token) in enumerate(
                zip(
                    step.parents.tolist(),
                    decode(step.tokens.tolist()),
                    step.log_probs.tolist(),
                    step.tokens.tolist(),
                )
            )
        ]
        for step in steps
    ]
