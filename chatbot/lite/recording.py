"""What the steps of a beam search considered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from chatbot.beam_tree import Branch
from chatbot.lite.interface import Array
from chatbot.text import EOS


class Candidates(NamedTuple):
    """The best continuations at one step for one query, the likeliest first.

    The first `kept` of them are the beam after the step; the others were dropped.

    Attributes:
        tokens: `int [N]`.
        parents: `int [N]`, places in the beam before the step.
        log_probs: `float32 [N]`, of the whole hypotheses, among what the rules allow.
        kept: How many the beam keeps, W.
    """

    tokens: Array
    parents: Array
    log_probs: Array
    kept: int


def make_tree(
    steps: Sequence[Candidates], decode: Callable[[Sequence[int]], list[str]]
) -> list[list[Branch]]:
    """Turns what each step of a search considered into a tree, the branches of every step.

    Args:
        steps: What each step considered.
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
