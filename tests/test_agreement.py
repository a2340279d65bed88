"""The benchmark that compares the engines' replies."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.agreement import SEARCHES, compare, measure
from chatbot.corpus import Pair
from chatbot.reply import Reply
from tests.helpers_chat import make_directory


def test_what_is_equal_tied_and_different_is_counted() -> None:
    first = [[Reply("a", -1.0, 0.0), Reply("b", -2.0, 0.0)], [Reply("c", -3.0, 0.0)]]
    second = [[Reply("a", -1.25, 0.0), Reply("d", -2.0, 0.0)], [Reply("e", -3.00001, 0.0)]]
    assert compare(first, second) == (0.5, 0.0, 1.0, 0.25)
    assert compare(first, first) == (1.0, 1.0, 0.0, 0.0)


def test_float32_agrees_and_int8_nearly_does(tmp_path: Path) -> None:
    make_directory(tmp_path)
    pairs = [Pair("hello", "hi you", 0), Pair("你好", "you are pip", 1)]
    figures = measure(str(tmp_path), pairs)
    assert figures["float32_perplexity"] == pytest.approx(figures["own_perplexity"], rel=1e-4)
    assert abs(figures["int8_perplexity_change"]) < 0.1
    for search in SEARCHES:
        assert figures[f"float32_{search}_all_replies"] == 1.0
        assert figures[f"float32_{search}_difference"] < 1e-4
