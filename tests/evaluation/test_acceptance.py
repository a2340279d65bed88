"""The share of acceptable replies to held-out queries, its interval, its table and its file."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from chatbot.corpus.held_out import HeldOut
from chatbot.evaluation.acceptance import (
    Judged,
    draw_candidates,
    find_share_interval,
    format_acceptance,
    summarise,
    write_acceptance,
)
from chatbot.evaluation.replies import spell

ITEMS = [
    HeldOut(["hi"], frozenset({"Hello there!"}), "a"),
    HeldOut(["你好"], frozenset({"你好！"}), "b"),
    HeldOut(["what?"], frozenset(), "a"),
    HeldOut(["bye"], frozenset({"Bye!", "See you."}), "a"),
]
REPLIES = ["hello  there !", "hello there!", "hello there!", "see you."]


@pytest.mark.parametrize(("successes", "count"), [(0, 1), (1, 1), (7, 10), (255, 300)])
def test_the_ends_of_the_interval_are_where_the_normal_test_just_accepts(
    successes: int, count: int
) -> None:
    share = successes / count
    for end in find_share_interval(successes, count):
        if 1e-9 < end < 1 - 1e-9:
            error = math.sqrt(end * (1 - end) / count)
            assert abs(share - end) / error == pytest.approx(1.959964, abs=1e-5)
        else:
            assert share == pytest.approx(end)


def test_a_reply_counts_by_its_tokens_and_its_language() -> None:
    found = summarise(ITEMS, REPLIES)
    shares = {group: (row["queries"], row["acceptable"]) for group, row in found.items()}
    assert shares == {"a": (3, pytest.approx(2 / 3)), "b": (1, 0.0), "all": (4, 0.5)}
    assert {group: row["other_language"] for group, row in found.items()} == {
        "a": 0,
        "b": 1,
        "all": 1,
    }
    assert found["all"]["interval"] == find_share_interval(2, 4)


def test_the_table_and_the_file_have_the_figures(tmp_path: Path) -> None:
    judged = Judged("model", {"greedy": summarise(ITEMS, REPLIES)}, {"greedy": REPLIES})
    text = format_acceptance([judged], ITEMS[:2])
    assert text.splitlines()[2].split() == "a greedy 3 66.7% 20.8% to 93.9% 0".split()
    assert "| hi | hello  there ! (yes) |" not in text  # blanks are one
    assert "| hi | hello there ! (yes) |\n| 你好 | hello there! (no) |" in text
    path = tmp_path / "figures.json"
    write_acceptance(path, [judged])
    assert json.loads(path.read_text()) == judged.figures
    write_acceptance(path, [judged, judged._replace(name="other")])
    assert list(json.loads(path.read_text())["models"]) == ["model", "other"]


def test_candidates_are_an_acceptable_reply_and_others_that_are_not() -> None:
    texts = ["Bye!", "bye !", "See you.", "A.", "a.", "B.", "C."]
    corpus = {spell(text): text for text in texts}
    for seed in range(30):
        own, *others = draw_candidates(ITEMS[3], corpus, 3, seed)
        assert own in ITEMS[3].replies
        assert len({text.casefold() for text in others}) == len(others) == 2
        assert {text.casefold() for text in others} <= {"a.", "b.", "c."}
        assert draw_candidates(ITEMS[3], corpus, 3, seed) == [own, *others]
    assert len(draw_candidates(ITEMS[3], corpus, 20, 0)) == 4
