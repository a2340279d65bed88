"""Dialogues in JSON: lists of texts, messages with speakers, pairs of any usual names."""

from __future__ import annotations

import io
import itertools
import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.corpus import Pair, ReadReport, detect_format, read_dialogues, read_pairs
from chatbot.corpus.json_window import JsonWindow
from chatbot.errors import ChatbotError
from tests.corpus_samples import write_text as write

LCCC = [["火锅 我 在 重庆", "哈哈 ！", "好 吃"], ["你 好", "你 也 好"], ['["}', "{\\"]]


def say(*turns: str) -> list[dict[str, str]]:
    roles = itertools.cycle(["user", "assistant"])
    return [{"role": role, "content": turn} for role, turn in zip(roles, turns, strict=False)]


def read(path: Path, report: ReadReport | None = None) -> list[list[str]]:
    return list(read_dialogues(path, report=report))


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("ascii_alone", [False, True])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda items: items,
        lambda items: {"train": items[:1], "valid": items[1:], "version": "1.0"},
        lambda items: {"about": {"by": "x"}, "data": [{"dialog": item} for item in items]},
        lambda items: {"conversations": items},
        lambda items: [{"id": 3, "messages": say(*item)} for item in items],
        lambda items: [say(*item) for item in items],
        lambda items: [
            {"conversations": [{"from": n % 2, "value": turn} for n, turn in enumerate(item)]}
            for item in items
        ],
    ],
)
def test_a_json_file_of_dialogues(
    tmp_path: Path, wrap: Any, ascii_alone: bool, indent: int | None
) -> None:
    text = json.dumps(wrap(LCCC), ensure_ascii=ascii_alone, indent=indent)
    path = write(tmp_path / "a.json", text)
    report = ReadReport()
    assert read(path, report) == LCCC
    assert report.dropped == {}


@pytest.mark.parametrize(
    "entry",
    [
        LCCC[0],
        {"dialog": LCCC[0]},
        {"dialogue": [{"text": turn, "act": 2} for turn in LCCC[0]]},
        {"turns": [{"utterance": turn, "speaker": n} for n, turn in enumerate(LCCC[0])]},
        {"messages": say(*LCCC[0])},
        {"messages": [{"role": "system", "content": "Be kind."}, *say(*LCCC[0])], "tools": []},
    ],
)
def test_json_lines_of_dialogues(tmp_path: Path, entry: Any) -> None:
    path = write(tmp_path / "a.jsonl", json.dumps(entry) + "\n" + json.dumps(entry) + "\n")
    assert detect_format(path) == "jsonl"
    assert read(path) == [LCCC[0], LCCC[0]]
    assert detect_format(path.rename(tmp_path / "a.json")) == "jsonl"
    assert read(tmp_path / "a.json") == [LCCC[0], LCCC[0]]
    assert list(read_dialogues(tmp_path / "a.json", "json")) == [LCCC[0], LCCC[0]]


def test_messages_follow_the_speakers(tmp_path: Path) -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "hello"},
        {"role": "user", "content": [{"type": "text", "text": "are you"}, {"text": "there?"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "x"}]},
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": [{"type": "image_url"}]},
        {"role": "assistant", "content": "a nice picture"},
        {"role": "user", "content": "thanks"},
    ]
    path = write(tmp_path / "a.jsonl", json.dumps({"messages": messages}))
    report = ReadReport()
    assert read(path, report) == [["hello\nare you\nthere?", "yes"], ["a nice picture", "thanks"]]
    assert report.dropped == {"turn without a text": 1}


@pytest.mark.parametrize(
    ("query", "reply"),
    [("query", "reply"), ("question", "answer"), ("prompt", "response"), ("instruction", "output")],
)
def test_pairs_go_by_their_usual_names(tmp_path: Path, query: str, reply: str) -> None:
    entry = {"id": 1, reply: "hi", query: "hello"}
    assert read(write(tmp_path / "a.jsonl", json.dumps(entry))) == [["hello", "hi"]]
    assert read(write(tmp_path / "a.json", json.dumps([entry, entry]))) == [["hello", "hi"]] * 2


values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.lists(values.filter(lambda value: isinstance(value, (list, dict)))), st.booleans())
def test_the_window_cuts_as_json_does(found: list[Any], is_ascii: bool) -> None:
    text = ",\n".join(json.dumps(value, ensure_ascii=is_ascii) for value in found)
    window = JsonWindow(io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8"))
    for line, value in enumerate(found, start=1):
        assert window.next_mark() in ("[", "{")
        assert window.line == line
        cut = window.find_value()
        assert json.loads(cut) == value
        window.step(len(cut))
    assert window.next_mark() == ""


def test_entries_of_any_length_are_cut_in_little_memory(tmp_path: Path) -> None:
    chance = random.Random(4)
    signs = 'a"\\[]{}\n你' + 20 * "b"
    path = tmp_path / "a.json"
    expected = []
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for _ in range(8):
            turns = ["".join(chance.choices(signs, k=chance.randrange(50_000))) for _ in "ab"]
            expected.append(turns)
            file.write(json.dumps(turns, ensure_ascii=False) + ",")
        file.write('["' + '\\"' * 1000 + "y" * 1_200_000 + '", "too long"], ["the", "end"]]')
    report = ReadReport()
    tracemalloc.start()
    try:
        for turns, wanted in zip(read_dialogues(path, report=report), expected, strict=False):
            assert turns == wanted
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()
    assert read(path)[-1] == ["the", "end"]


def test_a_cut_or_broken_list_keeps_what_it_has(tmp_path: Path) -> None:
    text = '[["a", "b"],\n["c", "d],\n["e", "f"],\n["g" "h"], ["i", "j"],\n["k", "l'
    report = ReadReport()
    path = write(tmp_path / "a.json", text)
    assert read(path, report) == [["a", "b"], ["e", "f"], ["i", "j"]]
    assert report.dropped["entry that is not JSON"] == 2
    assert report.first["entry that is not JSON"] == f"{path}:2"
    assert report.first["entry without an end in 1,048,576 characters"] == f"{path}:5"


def test_a_json_file_beside_a_corpus_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "dataset_infos.json", '{"default": {"splits": []}}')
    write(tmp_path / "train.tsv", "a\tb\n")
    assert detect_format(tmp_path) == "tsv"


def test_every_text_of_an_object_is_in_its_pair_or_counted(tmp_path: Path) -> None:
    """Of several texts that may be the query none is guessed; what came before is no turn."""
    path = tmp_path / "a.jsonl"
    entries = [
        {"instruction": "Translate.", "input": "chat", "output": "cat"},
        {"history": ["hi", "hello"], "prompt": "how are you?", "response": "fine"},
        {"source": "web", "query": "hi", "reply": "hello"},
    ]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    report = ReadReport()
    assert read(path, report) == [["how are you?", "fine"], ["hi", "hello"]]
    ((reason, count),) = report.dropped.items()
    assert "choose two with --columns" in reason
    assert count == 1


def test_a_system_that_people_talk_to_is_a_speaker(tmp_path: Path) -> None:
    said = [("user", "a taxi"), ("system", "where to?"), ("user", "home")]
    turns = [{"speaker": speaker, "utterance": text} for speaker, text in said]
    path = write(tmp_path / "a.jsonl", json.dumps({"turns": turns}))
    assert read(path) == [["a taxi", "where to?", "home"]]


def test_one_author_who_goes_on_does_not_answer(tmp_path: Path) -> None:
    said = [("hi", "1"), ("hello", "2"), ("there", "2")]
    messages = [{"content": text, "author": {"id": author}} for text, author in said]
    path = write(
        tmp_path / "channel.json",
        json.dumps({"channel": {"id": "7"}, "messages": messages}, indent=1),
    )
    assert read(path) == [["hi", "hello\nthere"]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"chat": {"turn_1": {"Human": "hi", "MOSS": "hello"}}}', "without a list of dialogues"),
        ('{"a": ' * 9_000, "without an end"),  # looked through once a level, it takes hours
        ('{"a": ' * 9 + '{"b": ["hi"]}' + "}" * 9, "without the texts"),
        ('{"a": {"b": {"query": "hi" "reply": "hello"}}}', "not JSON"),
    ],
    ids=["no list", "no end", "too deep", "broken"],
)
def test_objects_in_objects_are_accounted_for(tmp_path: Path, content: str, reason: str) -> None:
    path = write(tmp_path / "a.json", content)
    with pytest.raises(ChatbotError, match=rf"a\.json:1: .*{reason}"):
        read(path)


@pytest.mark.parametrize("names", [("user", "assistant"), ("human", "gpt")])
def test_only_the_assistants_turns_are_learned(tmp_path: Path, names: tuple[str, str]) -> None:
    person, bot = names
    turns = [(person, "a"), (bot, "b"), (person, "c"), (person, "d"), (bot, "e"), (person, "f")]
    messages = [{"role": speaker, "content": text} for speaker, text in turns]
    begun = [{"role": bot, "content": "g"}, {"role": person, "content": "h"}]
    lines = [json.dumps({"messages": said}) + "\n" for said in (messages, begun)]
    path = write(tmp_path / "a.jsonl", "".join(lines))
    report = ReadReport()
    pairs = list(read_pairs(path, report=report, context_turns=9))
    assert pairs == [Pair("a", "b", 0), Pair("c\nd", "e", 0, ("a", "b"))]
    assert report.pairs == 2
    assert report.dropped == {"dialogue in which the assistant answers nothing": 1}


def test_without_an_assistant_every_turn_is_learned(tmp_path: Path) -> None:
    messages = [{"role": name, "content": name} for name in "xyx"]
    path = write(tmp_path / "a.jsonl", json.dumps({"messages": messages}) + "\n")
    assert [pair[:2] for pair in read_pairs(path)] == [("x", "y"), ("y", "x")]
