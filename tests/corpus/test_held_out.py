"""Held-out queries: their intents looked up in the corpus, faults named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatbot.corpus import Pair, read_pairs
from chatbot.corpus.held_out import HeldOut, is_foreign, read_held_out
from chatbot.errors import ChatbotError
from tests.corpus_samples import write_text as write

PAIRS = [
    Pair("hi", "Hello!", 0, (), "greet"),
    Pair("hey", "Hi!", 1, (), "greet"),
    Pair("你好", "你好！", 2, (), "greet"),
    Pair("bye", "Bye!", 3, (), "leave"),
    Pair("hm", "Hm.", 4),
]


def write_lines(path: Path, *values: object) -> Path:
    return write(path, "".join(f"{json.dumps(value)}\n" for value in values))


def test_a_reply_is_acceptable_if_the_corpus_has_it_for_an_intent(tmp_path: Path) -> None:
    write_lines(tmp_path / "en.jsonl", {"turns": ["yo"], "intents": ["greet", "leave"]})
    two = {"turns": ["早", "早！", "在吗"], "intents": ["greet"], "replies": ["在。"]}
    write_lines(tmp_path / "zh.jsonl", two, {"turns": ["666"], "intents": ["greet"]})
    assert read_held_out(tmp_path, PAIRS) == [
        HeldOut(["yo"], frozenset({"Hello!", "Hi!", "Bye!"}), "en"),
        HeldOut(["早", "早！", "在吗"], frozenset({"你好！", "在。"}), "zh"),
        HeldOut(["666"], frozenset({"Hello!", "Hi!", "你好！"}), "zh"),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nonsense", "a.jsonl:2: line that is not a JSON object"),
        ('["hi"]', "a.jsonl:2: line that is not a JSON object"),
        ('{"intents": ["greet"]}', "a.jsonl:2: 'turns' is no list of texts"),
        ('{"turns": [], "intents": []}', "a.jsonl:2: a query needs a turn"),
        ('{"turns": ["hi", 3], "intents": []}', "a.jsonl:2: 'turns' is no list of texts"),
        ('{"turns": ["hi"], "intents": "greet"}', "a.jsonl:2: 'intents' is no list of texts"),
        ('{"turns": ["hi"], "intents": ["great"]}', "a.jsonl:2: the corpus has no intent 'great'"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    path = write(tmp_path / "a.jsonl", f'{{"turns": ["hi"], "intents": []}}\n{line}\n')
    with pytest.raises(ChatbotError, match=problem):
        read_held_out(path, PAIRS)


def test_nothing_to_measure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChatbotError, match="no held-out query is here"):
        read_held_out(tmp_path, PAIRS)
    with pytest.raises(ChatbotError, match="no pair of the corpus has an intent"):
        read_held_out(tmp_path, PAIRS[-1:])
    with pytest.raises(ChatbotError, match="does not exist"):
        read_held_out(tmp_path / "nowhere", PAIRS)


def test_every_pair_may_have_an_intent(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", {"turns": ["yo"], "intents": ["leave"]})
    assert read_held_out(path, PAIRS[:4]) == [HeldOut(["yo"], frozenset({"Bye!"}), "a")]


@pytest.mark.parametrize(
    ("turns", "reply", "foreign"),
    [
        (["hi"], "你好", True),
        (["hi"], "hello", False),
        (["你好"], "hello", True),
        (["你好", "早", "ok"], "hello", True),
        (["666"], "你好", False),
        ([":)"], "hi", False),
    ],
)
def test_a_reply_in_the_other_language_is_told(turns: list[str], reply: str, foreign: bool) -> None:
    assert is_foreign(turns, reply) == foreign


def test_intents_come_from_columns_keys_and_messages(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", "query\tintent\treply\nhi\tgreet\tHello!\nhey\tgreet\n")
    said = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "intent": "first"},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "d"},
    ]
    pair = {"query": "bye", "reply": "Bye!", "intent": "leave"}
    write_lines(tmp_path / "b.jsonl", {"messages": said}, pair)
    write(tmp_path / "c.csv", "reply,query\nx,y\n")
    found = [(pair.query, pair.reply, pair.intent) for pair in read_pairs(tmp_path)]
    assert found == [
        ("hi", "Hello!", "greet"),
        ("a", "b", "first"),
        ("c", "d", ""),
        ("bye", "Bye!", "leave"),
        ("y", "x", ""),
    ]
