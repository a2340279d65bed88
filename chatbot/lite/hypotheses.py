"""What every search returns, and the one formula that ranks it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chatbot.lite.interface import Array
from chatbot.text import EOS


class Hypotheses(NamedTuple):
    """Ranked replies to a batch of queries, best first.

    Attributes:
        ids: `int32 [B, W, T]`, the replies' tokens, filled up with the end token.
        lengths: `int32 [B, W]`, tokens of each reply, its end token not counted.
        log_probs: `float32 [B, W]`, the model's log probability (nats) of the reply and its end
            token; -inf where there is no such hypothesis.
        scores: `float32 [B, W]`, what the hypotheses are sorted by.
        ranked_log_probs: `float32 [B, W]`, what the scores are computed from: the log probability
            among what the search's rules allow. Without rules, and for samples, it is `log_probs`.
    """

    ids: Any
    lengths: Any
    log_probs: Any
    scores: Any
    ranked_log_probs: Any


def length_normalised(log_probs: Array, lengths: Array, penalty: float) -> Array:
    """Scores replies by log_prob / ((5 + tokens) / 6) ** penalty.

    This is the length penalty of Wu et al. 2016, "Google's Neural Machine Translation System",
    equation 14, where the tokens are the reply's and its end token.

    Args:
        log_probs: `float32 [...]` in nats, the end token's included.
        lengths: `int32 [...]`, the end token not counted.
        penalty: The exponent; 0 leaves the log probabilities as they are.

    Returns:
        `float32 [...]`.
    """
    return (log_probs / ((6.0 + lengths) / 6.0) ** penalty).astype(np.float32)


def rank(ids: Array, log_probs: Array, shares: Array, penalty: float) -> Hypotheses:
    """Scores hypotheses and sorts them.

    Args:
        ids: `int32 [B, W, T]`, filled up with the end token.
        log_probs: `float32 [B, W]`, in nats, among what the search's rules allow.
        shares: `float32 [B, W]`, the model's log probability minus that.
        penalty: Exponent of the length penalty.
    """
    lengths = np.count_nonzero(ids != EOS, axis=2).astype(np.int32)
    own = log_probs + shares
    log_probs = np.where(own > -np.inf, log_probs, np.float32(-np.inf))
    return sort(
        Hypotheses(ids, lengths, own, length_normalised(log_probs, lengths, penalty), log_probs)
    )


def sort(found: Hypotheses) -> Hypotheses:
    """Sorts each query's hypotheses by their scores, the best first; equal ones stay in order."""
    order = np.argsort(-found.scores, axis=1, kind="stable")
    rows = np.arange(len(order))[:, np.newaxis]
    return Hypotheses(*(part[rows, order] for part in found))
