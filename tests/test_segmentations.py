"""The tool that compares vocabularies of words and of pieces."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from chatbot.text import Vocabulary
from tools.segmentations import learn_subwords, measure, read_turns

TURNS = [["a", "b", "a"], ["c"], ["a"]]


def test_every_turn_is_read_once(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('["A b", "c", "d"]\n["d", "e f"]\n', encoding="utf-8")
    assert read_turns(str(corpus)) == [["a", "b"], ["c"], ["d"], ["d"], ["e", "f"]]


def test_a_row_counts_tokens_and_what_is_unknown() -> None:
    counts = Counter({"a": 3, "b": 1})
    row = measure("words", partial(Vocabulary.build, counts, 100, 2), TURNS).split(" | ")
    assert row[:5] == ["words", "6", "1.000", "40.00%", "66.7%"]
    row = measure("bpe", partial(learn_subwords, counts, "bpe", 400), TURNS).split(" | ")
    assert row[3:5] == ["0.00%", "0.0%"]
    assert row[2] == "1.200"  # "c" is a mark of a word's beginning and a byte
