"""Gaps: what stood on two sides of something that cannot be read never makes a pair."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatbot.corpus import Pair, ReadReport, read_pairs

Found = list[tuple[tuple[str, ...], str]]

# A dialogue of six turns, a gap after the second and what is left out for it.
CONV = b"E\nM a\nM b\n%sM c\nM d\nM e\n"
CONVOKIT = (
    b'{"id": 1, "root": 0, "text": "a"}\n{"id": 2, "root": 0, "text": "b"}\n%s'
    b'{"id": 4, "root": 0, "text": "c"}\n{"id": 5, "root": 0, "text": "d"}\n'
    b'{"id": 6, "root": 0, "text": "e"}\n'
)
CORNELL = b"u +++$+++ v +++$+++ m +++$+++ ['a', 'b', 'X', 'c', 'd', 'e']\n"
CORNELL_LINES = b"".join(
    b"%c +++$+++ u +++$+++ m +++$+++ N +++$+++ %c\n" % (n, n) for n in b"abcde"
)
YAML = b"conversations:\n- - a\n  - b\n%s  - c\n  - d\n  - e\n"
GAPS = [
    ("conv", CONV, b"M at \xffhome\n", "line that is not UTF-8"),
    ("conv", CONV, b"M at\0home\n", "line with NUL bytes"),
    ("conv", CONV, b"M " + b"x" * (1 << 20) + b"\n", "line longer than 1,048,576 characters"),
    ("conv", CONV, b"at home\n", "line that is neither E nor M with a text"),
    ("convokit", CONVOKIT, b'{"id": 3, "root": 0, "text": null}\n', "utterance without text"),
    ("convokit", CONVOKIT, b'{"id": 3, "root": 0, "text": 3}\n', "utterance without text"),
    ("convokit", CONVOKIT, b'{"root": 0, "text": "x"}\n', "utterance without id or conversat"),
    ("convokit", CONVOKIT, b'{"id": 2, "root": 0, "text": "x"}\n', "utterance whose id an earlier"),
    ("convokit", CONVOKIT, b'{"id": 3, "root": 0, "text": \n', "line that is not a JSON object"),
    ("convokit", CONVOKIT, b'{"id": 3, "text": "\xff"}\n', "line that is not UTF-8"),
    ("cornell", CORNELL_LINES + b"%s", b"X +++$+++ u\n", "line id that movie_lines.txt does not"),
    ("cornell", CORNELL_LINES + b"%s", b"X\0\n", "line id that movie_lines.txt does not"),
    ("chatterbot", YAML, b"  - [x, y]\n", "turn that is not text"),
    ("chatterbot", YAML, b"  - {}\n", "turn that is not text"),
]
NAMES = {"convokit": "utterances.jsonl", "cornell": "movie_lines.txt", "chatterbot": "a.yml"}


def find_pairs(path: Path, report: ReadReport, context_turns: int) -> Found:
    pairs = read_pairs(path, report=report, context_turns=context_turns)
    return [((*pair.context, pair.query), pair.reply) for pair in pairs]


@pytest.mark.parametrize(
    ("name", "content", "gap", "reason"), GAPS, ids=[f"{gap[0]} {gap[2][:30]!r}" for gap in GAPS]
)
def test_a_gap_parts_the_dialogue(
    tmp_path: Path, name: str, content: bytes, gap: bytes, reason: str
) -> None:
    (tmp_path / NAMES.get(name, f"a.{name}")).write_bytes(content % gap)
    if name == "cornell":
        (tmp_path / "movie_conversations.txt").write_bytes(CORNELL)
    report = ReadReport()
    assert find_pairs(tmp_path, report, 1) == [(("a",), "b"), (("c",), "d"), (("d",), "e")]
    assert report.dialogues == 2
    counted = [count for known, count in report.dropped.items() if known.startswith(reason)]
    assert counted == [1], report.dropped
    turns = [(("a",), "b"), (("c",), "d"), (("c", "d"), "e")]
    assert find_pairs(tmp_path, ReadReport(), 3) == turns


def test_a_lost_line_of_dailydialog_is_a_lost_dialogue(tmp_path: Path) -> None:
    path = tmp_path / "dialogues_text.txt"
    path.write_bytes(b"a __eou__ b __eou__\nx __eou__ \xff __eou__\nc __eou__ d __eou__\n")
    assert list(read_pairs(path)) == [Pair("a", "b", 0), Pair("c", "d", 1)]


def test_a_lost_utterance_does_not_part_those_that_name_what_they_answer(tmp_path: Path) -> None:
    entries = [
        {"id": number, "root": 1, "reply-to": number - 1 or None, "text": text}
        for number, text in enumerate(["a", "b", None, "c", "d"], start=1)
    ]
    elsewhere = {"id": 9, "root": 9, "reply-to": None, "text": "e"}
    answer = {"id": 10, "root": 9, "reply-to": 9, "text": "f"}
    lines = [json.dumps(entry) for entry in [elsewhere, *entries, answer]]
    (tmp_path / "utterances.jsonl").write_text("\n".join([*lines[:2], "no object", *lines[2:]]))
    report = ReadReport()
    pairs = [(("a",), "b"), (("c",), "d"), (("e",), "f")]
    assert find_pairs(tmp_path, report, 1) == pairs
    assert report.dropped == {"utterance without text": 1, "line that is not a JSON object": 1}


@pytest.mark.parametrize("content", [b"E\nM a\n\n \nM b\n", b"E\n\n\nM a\nM b\n"])
def test_blank_lines_are_no_gap(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.conv").write_bytes(content)
    assert find_pairs(tmp_path, ReadReport(), 1) == [(("a",), "b")]


@pytest.mark.parametrize(
    ("content", "pairs"),
    [
        (b"a\tb\rc\nd\te\n", ["b c", "e"]),
        (b"a\tb\rc\r\nd\te\r\n", ["b c", "e"]),
        (b"a\tb\r" + b"x" * 70_000 + b"\nd\te\r", ["b " + "x" * 70_000, "e"]),
        (b"a\tb\rc\td\r", ["b", "d"]),
        (b"a\tb\rc\td", ["b", "d"]),
        (b"a\tb\r", ["b"]),
    ],
)
def test_a_lone_carriage_return_ends_a_line_only_where_nothing_else_does(
    tmp_path: Path, content: bytes, pairs: list[str]
) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(content)
    report = ReadReport()
    assert [pair.reply for pair in read_pairs(path, report=report)] == pairs
    assert report.dropped == {}


def test_a_lone_carriage_return_in_yaml_is_a_blank(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_bytes(b"conversations:\n- - a\rb\n  - c\rd\r\n")
    assert find_pairs(path, ReadReport(), 1) == [(("a b",), "c d")]
    path.write_bytes(b"conversations:\r- - a\r  - b\r")
    assert find_pairs(path, ReadReport(), 1) == [(("a",), "b")]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_cornell_saved_as_utf_8_is_read_as_such(tmp_path: Path, mark: bytes) -> None:
    lines = "A +++$+++ u +++$+++ m +++$+++ N +++$+++ I’m at the café.\n"
    lines += "B +++$+++ v +++$+++ m +++$+++ N +++$+++ Don\x92t — s’il vous plaît.\n"
    (tmp_path / "movie_lines.txt").write_bytes(mark + lines.encode())
    talk = b"u +++$+++ v +++$+++ m +++$+++ ['A', 'B']\n"
    (tmp_path / "movie_conversations.txt").write_bytes(mark + talk)
    expected = [(("I’m at the café.",), "Don’t — s’il vous plaît.")]
    assert find_pairs(tmp_path, ReadReport(), 1) == expected
    # One byte that is not UTF-8, and it is ISO-8859-1, whatever the rest looks like.
    (tmp_path / "movie_lines.txt").write_bytes(lines.encode() + b"\xe9")
    assert find_pairs(tmp_path, ReadReport(), 1)[0][0] == ("Iâ€™m at the cafÃ©.",)


@pytest.mark.parametrize("damage", [b"caf\xe9", b"a\x7fb", b"a\x00b", b"a\x1bb", b"a\xed\xa0\x80b"])
def test_damage_in_yaml_costs_its_conversation_and_is_named_by_its_line(
    tmp_path: Path, damage: bytes
) -> None:
    (tmp_path / "a.yml").write_bytes(
        b"# caf\xe9\nconversations:\n- - a\n  - b\n- - x\n  - y\n  - %s\n  - z\n- - c\n  - d\n"
        % damage
    )
    (tmp_path / "b.yml").write_bytes(b"conversations:\n- - e\n  - f\n")
    report = ReadReport()
    pairs = [(("a",), "b"), (("c",), "d"), (("e",), "f")]
    assert find_pairs(tmp_path, report, 1) == pairs
    reason = "conversation with bytes that YAML does not allow"
    assert (report.dropped, report.first) == ({reason: 1}, {reason: f"{tmp_path}/a.yml:7"})
