from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chatbot.corpus import Pair, read_pairs
from chatbot.dataset import EncodedCorpus
from chatbot.dataset import encode as encoding
from chatbot.dataset import files as encoded_files
from chatbot.dataset.encode import EncodingConfig, is_held_out, write_encoded
from chatbot.text import (
    EOS,
    SEP,
    SEPARATOR,
    SPECIAL_TOKENS,
    UNK,
    Vocabulary,
    end_reply,
    join_turns,
    tokenize,
    tokenize_turns,
)

DIALOGUES = (("a b", "c", "d d d d", "a"), ("e", "", "f", "g", "a"))
# How often each word counts, sides cut to 3 tokens, ends of replies among them: d 6, a 3, c 2,
# g 2, b 1, f 1; and e, which is in no pair, never.
QUERIES = {
    1: [[6, 9], [7], [5, 5, 5], [10], [8]],
    2: [[6, 9], [6, 9, SEP, 7], [7, SEP, 5, 5, 5], [UNK, SEP, 10], [10, SEP, 8]],
    3: [
        [6, 9],
        [6, 9, SEP, 7],
        [6, 9, SEP, 7, SEP, 5, 5, 5],
        [UNK, SEP, 10],
        [UNK, SEP, 10, SEP, 8],
    ],
}
REPLIES = [[7, EOS], [5, 5, 5], [6, EOS], [8, EOS], [6, EOS]]

TURNS = st.sampled_from(["", "a", "b c", "don't", "你好 a", "x y z", "<sep>", "a b a b", "x"])
SETTINGS = st.builds(
    EncodingConfig,
    max_length=st.integers(2, 5),
    vocab_size=st.integers(6, 14),
    validation_share=st.sampled_from([0.0, 0.4]),
    seed=st.integers(0, 9),
    context_turns=st.integers(1, 5),
)


def write_conv(path: Path, dialogues: Sequence[Sequence[str]]) -> Path:
    lines = [line for turns in dialogues for line in ("E", *(f"M {turn}" for turn in turns))]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def encode(place: Path, dialogues: Sequence[Sequence[str]], settings: EncodingConfig) -> Vocabulary:
    place.mkdir(exist_ok=True)
    source = write_conv(place.parent / f"{place.name}.conv", dialogues)
    write_encoded(source, "conv", place, settings, progress=False)
    return Vocabulary.load(place / "vocab.txt")


def read_side(part: EncodedCorpus, side: str) -> list[list[int]]:
    rows = (part.batch(np.array([number])) for number in range(len(part)))
    return [getattr(row, f"{side}_ids")[0].tolist() for row in rows]


@pytest.mark.parametrize("context_turns", QUERIES)
def test_a_query_is_its_last_turns_with_separators(tmp_path: Path, context_turns: int) -> None:
    settings = EncodingConfig(max_length=3, context_turns=context_turns)
    vocabulary = encode(tmp_path / "encoded", DIALOGUES, settings)
    assert vocabulary.words == (*SPECIAL_TOKENS, *"dacgbf")
    part = EncodedCorpus(tmp_path / "encoded", "train", len(vocabulary))
    assert read_side(part, "query") == QUERIES[context_turns]
    assert read_side(part, "reply") == REPLIES
    context_tokens = {1: 0, 2: 3 + 2 + 2 + 2, 3: 3 + 5 + 2 + 4}[context_turns]
    assert part.summary["context_tokens"] == context_tokens
    assert part.summary["query_tokens"] == 8 + context_tokens
    assert (part.summary["unknown_tokens"], part.summary["unknown_share"]) == (0, 0.0)
    assert (part.summary["cut_queries"], part.summary["cut_replies"]) == (1, 1)
    assert ("of context" in part.describe()) == (context_turns > 1)


def list_expected(
    dialogues: Sequence[Sequence[str]], settings: EncodingConfig
) -> dict[str, list[tuple[list[list[str]], str]]]:
    """The turns and the reply of each pair, by part, from the dialogues themselves."""
    parts: dict[str, list[tuple[list[list[str]], str]]] = {"train": [], "validation": []}
    for number, turns in enumerate(dialogues):
        held_out = settings.validation_share > 0 and is_held_out(number, settings)
        part = parts["validation" if held_out else "train"]
        for place in range(1, len(turns)):
            if tokenize(turns[place - 1]) and tokenize(turns[place]):
                said = [tokenize(turn) for turn in turns[:place] if tokenize(turn)]
                part.append((said[-settings.context_turns :], turns[place]))
    return parts


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    dialogues=st.lists(st.lists(TURNS, min_size=2, max_size=7), min_size=1, max_size=8),
    settings=SETTINGS,
    chunk=st.integers(1, 40),
)
def test_an_encoded_query_decodes_to_the_last_turns(
    dialogues: list[list[str]], settings: EncodingConfig, chunk: int
) -> None:
    expected = list_expected(dialogues, settings)
    assume(expected["train"] and (expected["validation"] or not settings.validation_share))
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(encoded_files, "_CHUNK_TOKENS", chunk)
        place, alone = Path(name, "context"), Path(name, "alone")
        vocabulary = encode(place, dialogues, settings)
        words = encode(alone, dialogues, replace(settings, context_turns=1)).words
        assert words == vocabulary.words
        for part_name in ("train", "validation") if settings.validation_share else ("train",):
            part = EncodedCorpus(place, part_name, len(vocabulary))
            one = EncodedCorpus(alone, part_name, len(vocabulary))
            check_part(part, one, expected[part_name], settings, vocabulary)


def check_part(
    part: EncodedCorpus,
    alone: EncodedCorpus,
    expected: list[tuple[list[list[str]], str]],
    settings: EncodingConfig,
    vocabulary: Vocabulary,
) -> None:
    """Checks a part against its turns, and against the same part with one turn a query."""
    longest = settings.max_length
    decoded = []
    for ids in read_side(part, "query"):
        assert len(ids) <= settings.context_turns * (longest + 1) - 1
        words = " ".join(vocabulary.decode(ids))
        decoded.append([turn.split() for turn in words.split(SEPARATOR)])
    known = set(vocabulary.words)
    assert decoded == [
        [[word if word in known else "<unk>" for word in turn[:longest]] for turn in turns]
        for turns, _ in expected
    ]
    last = [ids[-length:] for ids, length in zip(read_side(part, "query"), alone.query_lengths)]
    assert last == read_side(alone, "query")
    assert read_side(part, "reply") == read_side(alone, "reply")
    differing = {"query_tokens", "context_tokens", "first_dropped"}  # the last is a path
    assert part.summary["query_tokens"] - part.summary["context_tokens"] == sum(map(len, last))
    for name in part.summary.keys() - differing:
        assert part.summary[name] == alone.summary[name], name


def test_pairs_come_with_the_turns_before_them(tmp_path: Path) -> None:
    source = write_conv(tmp_path / "a.conv", DIALOGUES)
    assert [pair.context for pair in read_pairs(source)] == [()] * 5
    assert list(read_pairs(source, context_turns=3)) == [
        Pair("a b", "c", 0),
        Pair("c", "d d d d", 0, ("a b",)),
        Pair("d d d d", "a", 0, ("a b", "c")),
        Pair("f", "g", 1, ("e",)),
        Pair("g", "a", 1, ("e", "f")),
    ]
    assert Pair("d", "a", 0, ("b", "c")).turns == ("b", "c", "d")


@pytest.mark.parametrize("context_turns", [1, 2, 4])
def test_each_turn_is_tokenized_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, context_turns: int
) -> None:
    dialogues = [[f"turn {place} of {number}" for place in range(7)] for number in range(5)]
    calls: list[str] = []

    def tokenize_and_note(text: str) -> list[str]:
        calls.append(text)
        return tokenize(text)

    monkeypatch.setattr(encoding, "tokenize", tokenize_and_note)
    encode(tmp_path / "encoded", dialogues, EncodingConfig(context_turns=context_turns))
    assert sorted(filter(None, calls)) == sorted(turn for turns in dialogues for turn in turns)


def test_a_dialogue_of_a_given_vocabulary_is_encoded_alike(tmp_path: Path) -> None:
    words = Vocabulary([*SPECIAL_TOKENS, "g", "a"])
    source = write_conv(tmp_path / "a.conv", [("a", "g", "e", "a")])
    (tmp_path / "encoded").mkdir()
    settings = EncodingConfig(context_turns=2)
    write_encoded(source, "conv", tmp_path / "encoded", settings, words, progress=False)
    part = EncodedCorpus(tmp_path / "encoded", "train", len(words))
    assert read_side(part, "query") == [[6], [6, SEP, 5], [5, SEP, UNK]]
    assert part.summary["unknown_tokens"] == 2


@pytest.mark.parametrize(
    ("query", "context_turns", "expected"),
    [
        ("a b c d", 1, ["a", "b", "c"]),
        (["x", "a"], 1, ["a"]),
        (["x", "a"], 2, ["x", SEPARATOR, "a"]),
        (("w", "x y z z", " ", "a"), 3, ["w", SEPARATOR, "x", "y", "z", SEPARATOR, "a"]),
        (("w", "x", "", "a"), 2, ["x", SEPARATOR, "a"]),
        (["x", ""], 2, ["x", SEPARATOR, "<unk>"]),
        (["<sep>", "<unk>"], 2, ["<", "sep", ">", SEPARATOR, "<", "unk", ">"]),
        ([], 2, ["<unk>"]),
        ("", 2, ["<unk>"]),
    ],
)
def test_turns_are_joined(query: Any, context_turns: int, expected: list[str]) -> None:
    assert join_turns(tokenize_turns(query, context_turns), 3) == expected


def test_a_query_is_left_as_it_was_and_its_turns_are_cut() -> None:
    query = ["a" * 9, "bb cc"]
    assert tokenize_turns(query, 2, max_characters=4) == [["aaaa"], ["bb", "c"]]
    assert query == ["a" * 9, "bb cc"]


@pytest.mark.parametrize("length", range(7))
def test_a_reply_is_learned_as_a_beginning_of_itself_and_ends_where_it_ends(length: int) -> None:
    reply = [f"w{place}" for place in range(length)]
    learned = end_reply(reply, 4)
    assert learned == [*reply, SPECIAL_TOKENS[EOS]][:4]
    assert (SPECIAL_TOKENS[EOS] in learned) == (length < 4)
