"""Which pairs make which batch, from their lengths alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

WINDOW_BATCHES = 256
"""Most batches whose pairs are sorted by length together."""
REPLY_STEP = 2
"""Replies whose lengths differ by less than this share batches, sorted by query length."""
LEAST_WINDOWS = 4
"""Windows in a training epoch, even in a small corpus: in one window of all pairs the same pairs
would meet in a batch every time."""


class BatchPlan:
    """Batches for training: every pair once an epoch, in an order that the seed decides.

    An epoch is a random permutation of all pairs. Each window of `WINDOW_BATCHES` batches of it
    (fewer in a small corpus) is sorted by length, so that a batch has pairs of similar length and
    little padding, and its batches are shuffled again. The last window's longest pairs may make
    one smaller batch.

    The plan holds the current epoch's permutation, 4 bytes a pair, and nothing else that grows.
    """

    def __init__(
        self,
        query_lengths: npt.NDArray[np.integer[Any]],
        reply_lengths: npt.NDArray[np.integer[Any]],
        batch_size: int,
        seed: int,
    ) -> None:
        """Takes the lengths, `int [pairs]`; nothing is computed before the first batch.

        Raises:
            ValueError: There is no pair, the lengths are not as many, or a number is out of range.
        """
        _check(query_lengths, reply_lengths, batch_size)
        if seed < 0:
            raise ValueError(f"seed {seed} is below 0")
        self._query_lengths = query_lengths
        self._reply_lengths = reply_lengths
        self._batch_size = batch_size
        self._seed = seed
        share = self.steps_per_epoch // LEAST_WINDOWS
        self._window_batches = min(WINDOW_BATCHES, max(1, share))
        self._epoch = -1
        self._permutation: npt.NDArray[Any] = np.empty(0, dtype=np.int32)
        self._window = -1
        self._batches: list[npt.NDArray[np.int64]] = []

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return _count_batches(len(self._query_lengths), self._batch_size)

    def indices(self, epoch: int, n: int) -> npt.NDArray[np.int64]:
        """Says which pairs make batch n of an epoch, both from 0.

        The first call of an epoch permutes all pairs (about a second for 10 million); the others
        take well under a millisecond.

        Returns:
            `int64 [B]`, numbers of pairs, the same for the same arguments and seed at any time.

        Raises:
            ValueError: There is no such batch.
        """
        if epoch < 0 or not 0 <= n < self.steps_per_epoch:
            raise ValueError(f"there is no batch {n} of {self.steps_per_epoch} in epoch {epoch}")
        if epoch != self._epoch:
            self._start_epoch(epoch)
        window, place = divmod(n, self._window_batches)
        if window != self._window:
            self._start_window(window)
        return self._batches[place]

    def _start_epoch(self, epoch: int) -> None:
        # The old permutation goes before the new one comes: one at a time is held.
        self._permutation = np.empty(0, dtype=np.int32)
        self._window = -1
        pairs = len(self._query_lengths)
        permutation = np.arange(pairs, dtype=np.int32 if pairs < 1 << 31 else np.int64)
        # Shuffled in place: `Generator.permutation` would take 8 bytes a pair.
        self._make_generator(epoch, 0).shuffle(permutation)
        self._permutation, self._epoch = permutation, epoch

    def _start_window(self, window: int) -> None:
        pairs = self._window_batches * self._batch_size
        members = self._permutation[window * pairs : (window + 1) * pairs].astype(np.int64)
        members = _sort(members, self._query_lengths, self._reply_lengths)
        batches = _cut(members, self._batch_size)
        order = self._make_generator(self._epoch, 1 + window).permutation(len(batches))
        self._batches = [batches[place] for place in order]
        self._window = window

    def _make_generator(self, epoch: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, epoch, purpose))


class EvaluationPlan:
    """Batches for measuring: every pair once, windows in the corpus' order, sorted inside.

    The result does not depend on any seed; only the padding is less than in corpus order.
    """

    def __init__(
        self,
        query_lengths: npt.NDArray[np.integer[Any]],
        reply_lengths: npt.NDArray[np.integer[Any]],
        batch_size: int,
    ) -> None:
        """Takes the lengths, `int [pairs]`.

        Raises:
            ValueError: There is no pair, the lengths are not as many, or the batch size is below 1.
        """
        _check(query_lengths, reply_lengths, batch_size)
        self._query_lengths = query_lengths
        self._reply_lengths = reply_lengths
        self._batch_size = batch_size

    def __len__(self) -> int:
        """The number of batches."""
        return _count_batches(len(self._query_lengths), self._batch_size)

    def __iter__(self) -> Iterator[npt.NDArray[np.int64]]:
        """Yields the numbers of each batch's pairs, `int64 [B]`."""
        pairs = WINDOW_BATCHES * self._batch_size
        for start in range(0, len(self._query_lengths), pairs):
            members = np.arange(start, min(start + pairs, len(self._query_lengths)))
            members = _sort(members, self._query_lengths, self._reply_lengths)
            yield from _cut(members, self._batch_size)


def _check(
    query_lengths: npt.NDArray[np.integer[Any]],
    reply_lengths: npt.NDArray[np.integer[Any]],
    batch_size: int,
) -> None:
    if len(query_lengths) != len(reply_lengths) or not len(query_lengths):
        raise ValueError(f"{len(query_lengths)} queries and {len(reply_lengths)} replies")
    if batch_size < 1:
        raise ValueError(f"batch_size {batch_size} is below 1")


def _count_batches(pairs: int, batch_size: int) -> int:
    return (pairs + batch_size - 1) // batch_size


def _sort(
    members: npt.NDArray[np.int64],
    query_lengths: npt.NDArray[np.integer[Any]],
    reply_lengths: npt.NDArray[np.integer[Any]],
) -> npt.NDArray[np.int64]:
    # The reply counts first: each of its tokens costs a projection onto the whole vocabulary.
    # Queries go up and down in turn, so that neighbours are alike across the steps of the replies.
    steps = reply_lengths[members] // REPLY_STEP
    queries = query_lengths[members].astype(np.int64)
    order: npt.NDArray[np.int64] = np.lexsort((np.where(steps % 2, queries, -queries), steps))
    return members[order]


def _cut(members: npt.NDArray[np.int64], batch_size: int) -> list[npt.NDArray[np.int64]]:
    return [members[start : start + batch_size] for start in range(0, len(members), batch_size)]
