from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chatbot.lite.beam import find_largest
from chatbot.lite.rules import ban
from chatbot.settings.config import SearchConfig
from tests.search.oracles import find_forbidden

SIZE = 9


@given(
    rows=st.integers(0, 9).flatmap(
        lambda size: st.lists(
            st.lists(st.integers(5, 8), min_size=size, max_size=size), min_size=1, max_size=4
        )
    ),
    rules=st.tuples(st.integers(0, 5), st.integers(0, 4), st.booleans()),
)
def test_what_is_banned_equals_a_look_at_every_run(
    rows: list[list[int]], rules: tuple[int, int, bool]
) -> None:
    logits = np.random.default_rng(1).normal(0, 3, [len(rows), SIZE]).astype(np.float32)
    given_ones, said = logits.copy(), np.array(rows, np.int32).reshape(len(rows), -1)
    names = ("min_reply_length", "no_repeat_ngram", "ban_unk")
    lost = ban(logits, said, SearchConfig(**dict(zip(names, rules))))  # type: ignore[arg-type]
    for row, words in enumerate(rows):
        banned = find_forbidden(words, *rules)
        assert set(np.flatnonzero(np.isneginf(logits[row])).tolist()) == banned
        rest = [token for token in range(SIZE) if token not in banned]
        np.testing.assert_array_equal(logits[row, rest], given_ones[row, rest])
        if len(set(words)) == len(words) and banned:  # no rule is broken yet
            expected = np.logaddexp.reduce(given_ones[row, sorted(banned)].astype(np.float64))
            assert lost is not None
            np.testing.assert_allclose(lost[row], expected, rtol=1e-5)
    if lost is None:
        assert not any(find_forbidden(words, *rules) for words in rows)


scores = st.lists(st.lists(st.integers(-3, 3), min_size=7, max_size=7), min_size=1, max_size=3)


@given(scores, st.integers(1, 9))
def test_the_largest_come_first_and_equal_ones_in_order(rows: Any, count: int) -> None:
    array = np.array(rows, np.float32)
    array[array == -3] = -np.inf
    places = find_largest(array, count)
    assert places.shape == (len(rows), min(count, 7))
    for row, mine in zip(array, places.tolist()):
        assert len(set(mine)) == len(mine)
        np.testing.assert_array_equal(row[mine], -np.sort(-row)[:count])
        assert all(a < b for a, b in itertools.pairwise(mine) if row[a] == row[b])
