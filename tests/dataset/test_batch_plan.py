from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chatbot.dataset import batch_plan as plan
from chatbot.dataset.batch_plan import WINDOW_BATCHES, BatchPlan, EvaluationPlan

Lengths = npt.NDArray[np.int32]


def make_lengths(pairs: int, seed: int = 0) -> tuple[Lengths, Lengths]:
    generator = np.random.default_rng(seed)
    query, reply = generator.integers(1, 41, size=(2, pairs), dtype=np.int32)
    return query, reply


def collect(batches: BatchPlan, epoch: int) -> list[list[int]]:
    return [batches.indices(epoch, n).tolist() for n in range(batches.steps_per_epoch)]


@hypothesis_settings(deadline=None)
@given(
    pairs=st.integers(1, 700),
    batch_size=st.integers(1, 9),
    seed=st.integers(0, 2**63),
    epoch=st.integers(0, 1000),
)
def test_an_epoch_has_every_pair_once(pairs: int, batch_size: int, seed: int, epoch: int) -> None:
    batches = BatchPlan(*make_lengths(pairs), batch_size, seed)
    collected = collect(batches, epoch)
    assert sorted(itertools.chain(*collected)) == list(range(pairs))
    sizes = sorted(map(len, collected))
    rest = pairs % batch_size
    assert sizes == ([rest] if rest else []) + [batch_size] * (pairs // batch_size)


@hypothesis_settings(deadline=None, max_examples=25)
@given(data=st.data(), seed=st.integers(0, 99))
def test_a_batch_depends_on_nothing_but_seed_epoch_and_number(data: Any, seed: int) -> None:
    lengths = make_lengths(2_000)
    used = BatchPlan(*lengths, 7, seed)
    steps = st.integers(0, used.steps_per_epoch - 1)
    for epoch, n in data.draw(st.lists(st.tuples(st.integers(0, 3), steps), min_size=2)):
        fresh = BatchPlan(*lengths, 7, seed)
        assert used.indices(epoch, n).tolist() == fresh.indices(epoch, n).tolist()


def test_epochs_and_seeds_differ() -> None:
    lengths = make_lengths(500)
    first = BatchPlan(*lengths, 8, 1)
    orders = [collect(first, 0), collect(first, 1), collect(BatchPlan(*lengths, 8, 2), 0)]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    # Not the same batches in another order either: their members change too.
    assert len({tuple(sorted(batch)) for order in orders for batch in order}) > 2 * len(orders[0])


def sort_key(query: int, reply: int) -> tuple[int, int]:
    """Replies by two, and within a step the queries now down, now up."""
    return reply // 2, query if reply // 2 % 2 else -query


def test_a_window_is_sorted_by_reply_then_query() -> None:
    query, reply = make_lengths(WINDOW_BATCHES * plan.LEAST_WINDOWS * 3)
    window = collect(BatchPlan(query, reply, 3, 5), 0)[:WINDOW_BATCHES]
    batches = sorted([sort_key(query[index], reply[index]) for index in batch] for batch in window)
    keys = list(itertools.chain(*batches))
    assert keys == sorted(keys)


def test_little_is_padding() -> None:
    query, reply = make_lengths(20_000)
    batches = collect(BatchPlan(query, reply, 32, 0), 0)
    for lengths in (query, reply):
        cells = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
        assert lengths.sum() / cells > 0.88  # in random order about half


def test_lengths_do_not_rise_through_the_epoch() -> None:
    query, reply = make_lengths(20_000)
    batches = BatchPlan(query, reply, 32, 0)
    means = np.array([reply[batch].mean() for batch in collect(batches, 0)])
    halves = means[: len(means) // 2].mean(), means[len(means) // 2 :].mean()
    assert abs(halves[0] - halves[1]) < 1.0
    first_window = means[:WINDOW_BATCHES]
    assert abs(np.corrcoef(first_window, np.arange(WINDOW_BATCHES))[0, 1]) < 0.5


def test_each_window_is_shuffled_in_its_own_way() -> None:
    query, reply = make_lengths(2_048)
    batches = collect(BatchPlan(query, reply, 2, 0), 0)
    keys = [[(reply[index], query[index]) for index in batch] for batch in batches]
    windows = [keys[:WINDOW_BATCHES], keys[WINDOW_BATCHES : 2 * WINDOW_BATCHES]]
    orders = [sorted(range(WINDOW_BATCHES), key=window.__getitem__) for window in windows]
    assert orders[0] != orders[1]


def test_batches_take_pairs_from_the_whole_corpus() -> None:
    batches = BatchPlan(*make_lengths(50_000), 128, 0)
    indices = batches.indices(0, 3)
    assert indices.min() < 10_000
    assert indices.max() > 40_000


def test_a_plan_holds_four_bytes_a_pair() -> None:
    pairs = 1_000_000
    lengths = make_lengths(pairs)
    tracemalloc.start()
    try:
        batches = BatchPlan(*lengths, 64, 0)
        for epoch in range(3):
            batches.indices(epoch, 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * pairs


def test_what_there_is_not_is_refused() -> None:
    query, reply = make_lengths(10)
    batches = BatchPlan(query, reply, 4, 0)
    for epoch, n in ((0, 3), (0, -1), (-1, 0)):
        with pytest.raises(ValueError, match="there is no batch"):
            batches.indices(epoch, n)
    with pytest.raises(ValueError, match="batch_size"):
        BatchPlan(query, reply, 0, 0)
    with pytest.raises(ValueError, match="seed"):
        BatchPlan(query, reply, 1, -1)
    with pytest.raises(ValueError, match="9 replies"):
        BatchPlan(query, reply[:9], 4, 0)
    with pytest.raises(ValueError, match="0 queries"):
        EvaluationPlan(query[:0], reply[:0], 4)


@hypothesis_settings(deadline=None)
@given(pairs=st.integers(1, 700), batch_size=st.integers(1, 5))
def test_measuring_takes_every_pair_once_window_by_window(pairs: int, batch_size: int) -> None:
    query, reply = make_lengths(pairs)
    batches = EvaluationPlan(query, reply, batch_size)
    collected = [batch.tolist() for batch in batches]
    assert len(collected) == len(batches)
    assert collected == [batch.tolist() for batch in batches]
    members = list(itertools.chain(*collected))
    window = plan.WINDOW_BATCHES * batch_size
    for start in range(0, pairs, window):
        part = members[start : start + window]
        assert sorted(part) == list(range(start, min(start + window, pairs)))
        keys = [sort_key(query[index], reply[index]) for index in part]
        assert keys == sorted(keys)
