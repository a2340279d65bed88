"""How sure a figure or a difference of two is: the jackknife over dialogues.

Pairs of one dialogue depend on one another, so whole dialogues are left out, one at a time. The
delete-one jackknife (Tukey 1958; Efron and Tibshirani 1993, chapter 11) suits every figure here.
The usual bootstrap does not: a dialogue that is drawn twice adds no new n-gram, so distinct-n of
each drawn corpus lies below that of the corpus itself, and often a whole percentile interval does.
For BLEU and chrF, which Koehn 2004 resamples that way, the two agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Chosen = npt.NDArray[np.bool_]
"""`bool [N]`: which of N pairs count."""

LEAST_DIALOGUES = 10
"""Dialogues that an interval needs."""
_QUANTILE = NormalDist().inv_cdf(0.975)
_NOISE = 1e-9
_GREATEST = 700.0  # e to this is a float, and JSON can hold it


class Estimate(NamedTuple):
    """A figure of some pairs.

    Attributes:
        value: The figure.
        left_out: `float64 [D]`, the same without each of the D dialogues; empty where these are
            fewer than `LEAST_DIALOGUES`.
    """

    value: float
    left_out: Numbers


class Dialogues:
    """The dialogues that some pairs come from.

    Attributes:
        count: How many there are, D.
        places: `int64 [N]`, from 0 to D - 1, the dialogue of each pair.
        are_enough: Whether they are enough for an interval.
    """

    def __init__(self, numbers: npt.NDArray[np.int64]) -> None:
        """Takes `int64 [N]`, any numbers that are the same for pairs of one dialogue."""
        found, self.places = np.unique(numbers, return_inverse=True)
        self.count = len(found)
        self.are_enough = self.count >= LEAST_DIALOGUES

    def sum(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Adds up `[N, ...]` of the pairs to `[D, ...]` of the dialogues."""
        sums = np.zeros((self.count, *values.shape[1:]), values.dtype)
        np.add.at(sums, self.places, values)
        return sums

    def estimate(
        self, counts: npt.NDArray[np.int64], compute: Callable[[list[int]], float]
    ) -> Estimate:
        """Estimates a figure that is computed from sums over the pairs.

        Args:
            counts: `int64 [N, K]`, what each pair adds to the sums.
            compute: Returns the figure for K sums.
        """
        value = compute(counts.sum(axis=0).tolist())
        if not self.are_enough:
            return Estimate(value, np.zeros(0))
        own = self.sum(counts)
        rest = (own.sum(axis=0) - own).tolist()
        return Estimate(value, np.array([compute(sums) for sums in rest]))

    def estimate_mean(self, values: npt.NDArray[Any], weights: npt.NDArray[Any]) -> Estimate:
        """Estimates the sum of `[N]` values over the sum of `[N]` weights, each above 0."""
        value = float(values.sum() / weights.sum())
        if not self.are_enough:
            return Estimate(value, np.zeros(0))
        own, weight = self.sum(values), self.sum(weights)
        return Estimate(value, (own.sum() - own) / (weight.sum() - weight))


def find_interval(estimate: Estimate, highest: float = math.inf) -> list[float] | None:
    """Finds the 95 % interval of a figure.

    It is symmetric around the logarithm of a positive figure, so that a small BLEU has an interval
    above 0 that is longer upwards.

    Args:
        estimate: The figure.
        highest: Its greatest possible value; the least is 0 unless the figure is negative.

    Returns:
        [low, high]; None where the dialogues are too few, or none of them makes a difference.
    """
    value, points = estimate
    is_positive = value > 0 and bool((points > 0).all())
    if is_positive:
        value, points = math.log(value), np.log(points)
    half = _find_half(points, abs(value))
    if half is None:
        return None
    low, high = value - half, value + half
    if is_positive:
        low, high = math.exp(low), math.exp(min(high, _GREATEST))
    return [max(low, 0.0) if estimate.value >= 0 else low, min(high, highest)]


def find_difference(first: Estimate, second: Estimate) -> dict[str, Any]:
    """Finds by how much one figure exceeds another one of the same pairs.

    What makes both figures large or small in the same dialogues cancels out: the interval can be
    far shorter than the figures' own.

    Returns:
        `difference` and its 95 % `interval`, as `find_interval` gives it.
    """
    half = _find_half(first.left_out - second.left_out, max(abs(first.value), abs(second.value)))
    difference = first.value - second.value
    ends = None if half is None else [difference - half, difference + half]
    return {"difference": difference, "interval": ends}


def _find_half(points: Numbers, size: float) -> float | None:
    """Returns half an interval's length; `size` is the figure's, below which all is rounding."""
    freedom = len(points) - 1
    if freedom < 1:
        return None
    error = math.sqrt(freedom * float(np.var(points)))
    return _student(freedom) * error if error > _NOISE * max(size, _NOISE) else None


def _student(freedom: int) -> float:
    """Returns the 97.5 % quantile of Student's t (Abramowitz and Stegun 1964, 26.7.5)."""
    z: float = _QUANTILE
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    for power, term in enumerate(terms, start=1):
        z += term / freedom**power
    return z
