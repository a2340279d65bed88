"""The bundled corpora of translation and summarising are what data/README.md says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chatbot.corpus import read_pairs
from chatbot.text import tokenize

DATA = Path(__file__).parents[2] / "data"
TASKS = ("translation", "summarising")
Pairs = list[tuple[str, str]]


def read(task: str) -> tuple[Pairs, Pairs]:
    """Returns the pairs that are learned and those held out, as the programs read them."""
    learned, held_out = (
        [(pair.query, pair.reply) for pair in read_pairs(DATA / task / part)]
        for part in ("", "held_out")
    )
    return learned, held_out


@pytest.mark.parametrize("task", TASKS)
def test_every_line_of_every_file_is_a_pair_under_the_names_of_the_columns(task: str) -> None:
    lines = []
    for path in (DATA / task).rglob("*.tsv"):
        names, *rows = path.read_text(encoding="utf-8").splitlines()
        assert names == "query\treply", path
        lines += [tuple(row.split("\t")) for row in rows]
    assert all(len(cells) == 2 and all(cells) for cells in lines)
    assert all(cell == " ".join(cell.split()) for cells in lines for cell in cells)
    learned, held_out = read(task)
    assert sorted(learned + held_out) == sorted(lines)
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize("task", TASKS)
def test_nothing_held_out_is_learned(task: str) -> None:
    learned, held_out = read(task)
    for side in (0, 1):
        known = {tuple(tokenize(pair[side])) for pair in learned}
        assert len(known) == len(learned)  # and nothing is learned twice
        assert known.isdisjoint(tuple(tokenize(pair[side])) for pair in held_out)


@pytest.mark.parametrize("task", TASKS)
def test_the_readme_counts_right(task: str) -> None:
    learned, held_out = read(task)
    text = (DATA / "README.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## `{task}/`.*?\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)
    (counts,) = re.findall(r"([\d,]+) pairs.*?(\d+) held out.*?(\d+) pairs", section, re.DOTALL)
    said = [int(count.replace(",", "")) for count in counts]
    assert said == [len(learned), len({query for query, _ in held_out}), len(held_out)]


def test_translations_are_short_and_chinese_and_every_held_out_word_is_learned() -> None:
    learned, held_out = read("translation")
    words = {word for query, _ in learned for word in tokenize(query)}
    assert words.issuperset(word for query, _ in held_out for word in tokenize(query))
    for query, reply in learned + held_out:
        assert query.isascii()
        assert 2 <= len(query.split()) <= 10, query
        assert re.fullmatch(r"[\u4e00-\u9fff，。？！]+", reply), reply


def test_news_and_headlines_have_the_length_that_the_readme_says() -> None:
    learned, held_out = read("summarising")
    for query, reply in learned + held_out:
        assert 20 <= len(query.split()) <= 45, query
        assert 2 <= len(re.split(r"(?<=[.!?]) ", query)) <= 3, query
        assert 3 <= len(reply.split()) <= 8, reply
