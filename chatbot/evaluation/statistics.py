"""Figures made of numbers and tokens alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

RESAMPLES = 2_000
"""Corpora drawn for an interval."""
_DRAWN_AT_ONCE = 1 << 22
COMMONEST = 10
"""Different replies that `measure_commonest_share` counts."""


def estimate_interval(
    losses: npt.NDArray[np.float64], tokens: npt.NDArray[np.int64], seed: int = 0
) -> tuple[float, float]:
    """Estimates how sure a mean loss a token is, by resampling pairs.

    The percentile bootstrap (Efron and Tibshirani 1993, chapter 13): as many pairs as there are are
    drawn with replacement, again and again; each time the sum of their losses is divided by the sum
    of their tokens.

    Args:
        losses: `float64 [N]`, each pair's loss (nats), N at least 1.
        tokens: `int64 [N]`, each pair's tokens, at least 1.
        seed: Seed of the draws.

    Returns:
        The 2.5 % and the 97.5 % quantile of the quotients, nats a token.
    """
    generator = np.random.default_rng(seed)
    size = len(losses)
    rows = max(1, _DRAWN_AT_ONCE // size)
    means = []
    for start in range(0, RESAMPLES, rows):
        drawn = generator.integers(0, size, (min(rows, RESAMPLES - start), size))
        means.append(losses[drawn].sum(axis=1) / tokens[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)


def measure_distinct(replies: Sequence[Sequence[str]], size: int) -> float:
    """Measures how many of all n-grams are different ones (Li et al. 2016, distinct-n).

    Args:
        replies: The tokens of each reply; no n-gram reaches from one reply into the next.
        size: Tokens of an n-gram, n.

    Returns:
        Different n-grams over all n-grams, 0 where there is none.
    """
    grams: Counter[tuple[str, ...]] = Counter()
    for reply in replies:
        grams.update(zip(*(reply[start:] for start in range(size))))
    return len(grams) / sum(grams.values()) if grams else 0.0


def measure_commonest_share(replies: Sequence[str]) -> float:
    """Measures how many replies are one of the ten commonest.

    Args:
        replies: At least one reply.

    Returns:
        Their share of all replies.
    """
    return sum(count for _, count in Counter(replies).most_common(COMMONEST)) / len(replies)
