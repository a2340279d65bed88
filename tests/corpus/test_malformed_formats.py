"""Malformed corpora, format by format: what one cannot use is counted, or refused with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from chatbot.corpus import chatterbot
from tests.corpus_samples import (
    LINES,
    PAIRS,
    TALKS,
    UTTERANCES,
    WHOLE,
    Outcome,
    damage,
    first_file,
    insert_line,
    read,
    write,
)

# What is malformed in one format alone: the content of its first file, what is left out or refused.
COUNTED = [
    ("tsv", b"no tab here\n", "line without a tab"),
    ("tsv", b"four    blanks\n", "line without a tab"),
    ("tsv", b"\tonly a reply\n", "pair with an empty side"),
    ("tsv", b"only a query\t\n", "pair with an empty side"),
    ("tsv", b"\t\t\tthird\n", "pair with an empty side"),
    ("jsonl", b'{"query": "x"}\n', 'object without the texts "query" and "reply"'),
    ("jsonl", b'{"reply": "x"}\n', 'object without the texts "query" and "reply"'),
    ("jsonl", b'{"query": 1, "reply": "x"}\n', 'object without the texts "query" and "reply"'),
    ("jsonl", b'{"query": null, "reply": []}\n', 'object without the texts "query" and "reply"'),
    ("jsonl", b'{"query": "x", "reply": "y"\n', "line that is not a JSON object"),
    ("jsonl", b'"x", "y"\n', "line that is not a JSON object"),
    ("jsonl", b'["x", 7]\n', "turn without a text"),
    ("jsonl", b'{"q": "x", "question": "y", "a": "z"}\n', "object with several texts"),
    ("jsonl", b'{"messages": [{"role": "user", "content": "x"}]}\n', "single turn"),
    ("jsonl", b'{"messages": []}\n', "single turn"),
    ("jsonl", b'{"dialog": [{"text": 5}, {}]}\n', "turn without a text"),
    ("csv", b"no comma here\n", "row of a single cell"),
    ("csv", b",only a reply\n", "pair with an empty side"),
    ("csv", b"only a query,\n", "pair with an empty side"),
    ("csv", b'x,"never closed\n', "row whose quotes do not match"),
    ("csv", b'"x" y,z\n', "row whose quotes do not match"),
    ("csv", b'x,"' + b"y" * 200_000 + b'"\n', "row with quotes of more than 131,072 characters"),
    ("json", b"7, ,\n", "text that is neither"),
    ("json", b'"x",\n', "text that is neither"),
    ("json", b'{"query": "x"},\n', 'object without the texts "query" and "reply"'),
    ("json", b'{"query": 1, "reply": null},\n', 'object without the texts "query" and "reply"'),
    ("json", b'["x" "y"],\n', "entry that is not JSON"),
    ("json", b"['x', 'y'],\n", "entry that is not JSON"),
    ("json", b'["x", "y\\u"],\n', "entry that is not JSON"),
    ("json", b'["x, "y"],\n', "entry that is not JSON"),
    ("json", b'["x", "tab\there"],\n', "entry that is not JSON"),
    ("json", b'["x", "caf\xe9"],\n', "entry that is not UTF-8"),
    ("json", b'["x"],\n', "dialogue of a single turn"),
    ("json", b'["", "x"],\n', "pair with an empty side"),
    ("json", b'["x", null],\n', "turn without a text"),
    ("json", b"[" * 100_000 + b"]" * 100_000 + b",\n", "entry that is not JSON"),
    ("json", b'["' + b"y" * 1_100_000 + b'", "x"],\n', "entry without an end in 1,048,576"),
    ("jsonl", b"{'query': 'x', 'reply': 'y'}\n", "line that is not a JSON object"),
    ("jsonl", b"[" * 100_000 + b"\n", "line that is not a JSON object"),
    ("jsonl", b'{"a":' * 100_000 + b"\n", "line that is not a JSON object"),
    ("jsonl", b"9" * 1_000_000 + b"\n", "line that is not a JSON object"),
    ("jsonl", b'{"query": "", "reply": "x"}\n', "pair with an empty side"),
    ("dailydialog", b"no end of turn\n", "line without __eou__"),
    ("dailydialog", b"1 2 1 2\n", "line without __eou__"),
    ("dailydialog", b"alone __eou__\n", "dialogue of a single turn"),
    ("dailydialog", b"__eou__\n", "dialogue of a single turn"),
    ("dailydialog", b"__eou__ __eou__ __eou__\n", "pair with an empty side"),
    ("cornell", b"u0 +++$+++ u1 +++$+++ m0\n", "line of other than 4 fields"),
    ("cornell", b"u0 +++$+++ u1 +++$+++ m0 +++$+++ ['L9', 'L8']\n", "line id"),
    ("cornell", b"a +++$+++ b +++$+++ m +++$+++ L1, L2\n", "not a list of line ids"),
    ("cornell", b"a +++$+++ b +++$+++ m +++$+++ ['L1', 'L2'\n", "not a list of line ids"),
    ("cornell", b"a +++$+++ b +++$+++ m +++$+++ [1, 2]\n", "not a list of line ids"),
    ("cornell", b"a +++$+++ b +++$+++ m +++$+++ ['L1' 'L2']\n", "not a list of line ids"),
    ("cornell", b"a +++$+++ b +++$+++ m +++$+++ ['\\x4c1', 'L2']\n", "not a list of line ids"),
    ("cornell", b"a +++$+++ b +++$+++ m +++$+++ ['L1']\n", "dialogue of a single turn"),
    ("cornell", b"a +++$+++ b +++$+++ m +++$+++ [" + b" " * 900_000 + b"\n", "not a list"),
    ("cornell", b"a +++$+++ b +++$+++ m +++$+++ [" + b"'a'," * 200_000 + b"\n", "not a list"),
    ("convokit", b'{"conversation_id": "5", "text": "x"}\n', "without id or conversation_id"),
    ("convokit", b'{"id": "5", "text": "x"}\n', "without id or conversation_id"),
    ("convokit", b'{"id": [], "root": {}, "text": "x"}\n', "without id or conversation_id"),
    ("convokit", b'{"id": "5", "root": "5", "reply-to": null}\n', "utterance without text"),
    ("convokit", b'{"id": "5", "root": "5", "text": null}\n', "utterance without text"),
    ("convokit", b'{"id": "1", "root": "1", "text": "x"}\n', "whose id an earlier one has"),
    ("convokit", b'{"id": "5", "root": "5", "reply_to": "5", "text": "x"}\n', "single turn"),
    ("convokit", b'{"id": "5", "root": "5", "reply_to": null, "text": "x"}\n', "single turn"),
    ("convokit", b"id,root,text\n", "line that is not a JSON object"),
    ("chatterbot", b"- just text\n", "conversation that is not a list"),
    ("chatterbot", b"- {a: b}\n", "conversation that is not a list"),
    ("chatterbot", b"-\n", "conversation that is not a list"),
    ("chatterbot", b"- - alone\n", "dialogue of a single turn"),
    ("chatterbot", b"- [[a, b], [c, d]]\n", "turn that is not text"),
    ("chatterbot", b"- - {a: [b]}\n  - {}\n", "turn that is not text"),
    ("chatterbot", b"- - hi\n  -\n", "pair with an empty side"),
    ("chatterbot", b"- - hi\n  - caf\xe9\n", "conversation with bytes that YAML does not allow"),
    ("chatterbot", b"- - hi\n  - nothing\0there\n", "bytes that YAML does not allow"),
    ("chatterbot", b"- - a\x7fb\n  - hi\n", "bytes that YAML does not allow"),
    ("conv", b"X what is this\n", "line that is neither E nor M with a text"),
    ("conv", b"E with text\n", "line that is neither E nor M with a text"),
    ("conv", b"m lower case\n", "line that is neither E nor M with a text"),
    ("conv", b"Mno blank\n", "line that is neither E nor M with a text"),
    ("conv", b"hello\thi\n", "line that is neither E nor M with a text"),
    ("conv", b"E\nM alone\n", "dialogue of a single turn"),
    ("conv", b"E\nM\nM x\n", "pair with an empty side"),
    ("conv", b"E\nM x\nM \xe2\x80\x8b\n", "pair with an empty side"),
]


@pytest.mark.parametrize(
    ("name", "line", "reason"), COUNTED, ids=[f"{case[0]} {case[1][:40]!r}" for case in COUNTED]
)
def test_what_is_malformed_is_counted_and_the_rest_read(
    tmp_path: Path, name: str, line: bytes, reason: str
) -> None:
    content = insert_line(first_file(name)[1], line)
    if name == "chatterbot":
        content = first_file(name)[1].replace(b"- - how", line + b"- - how")
    outcome = read(write(tmp_path / "c", damage(name, content)), name)
    assert outcome.pairs == PAIRS
    assert outcome.refusal == ""
    assert any(reason in counted for counted in outcome.dropped), outcome.dropped


def test_cornell_is_parsed_and_never_evaluated(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    attack = f"a +++$+++ b +++$+++ m +++$+++ [open({str(trap)!r}, 'w')]\n".encode()
    outcome = read(write(tmp_path / "c", damage("cornell", TALKS + attack)), "cornell")
    assert outcome.dropped == {"conversation whose last field is not a list of line ids": 1}
    assert not trap.exists()


def test_cornell_counts_damage_in_its_lines(tmp_path: Path) -> None:
    lines = (
        LINES.replace(b"L4 +++$+++ u1", b"L4 u1") + b"L1 +++$+++ a +++$+++ b +++$+++ c +++$+++ d\n"
    )
    files = {"movie_conversations.txt": TALKS, "movie_lines.txt": lines}
    assert read(write(tmp_path / "c", files), "cornell") == Outcome(
        PAIRS[:1],
        {
            "line of other than 5 fields": 1,
            "line whose id an earlier line has": 1,
            "line id that movie_lines.txt does not have": 1,
        },
        "",
    )


@pytest.mark.parametrize("missing", ["movie_lines.txt", "movie_conversations.txt"])
def test_cornell_needs_both_files(tmp_path: Path, missing: str) -> None:
    folder = write(tmp_path / "c", WHOLE["cornell"])
    (folder / missing).unlink()
    for name in ("cornell", "auto"):
        assert f"there is no {missing} in it" in read(folder, name).refusal


def test_convokit_survives_circles_and_lost_replies(tmp_path: Path) -> None:
    content = UTTERANCES + (
        b'{"id": "5", "root": "5", "reply-to": "6", "text": "x"}\n'
        b'{"id": "6", "root": "5", "reply-to": "5", "text": "y"}\n'
        b'{"id": "7", "root": "7", "reply-to": "1", "text": "of another conversation"}\n'
    )
    outcome = read(write(tmp_path / "c", {"utterances.jsonl": content}), "convokit")
    assert outcome.pairs == PAIRS
    assert outcome.dropped == {
        "replies in a circle": 2,
        "reply to an utterance that is not there": 1,
        "dialogue of a single turn": 1,
    }


def test_convokit_follows_a_chain_of_any_length(tmp_path: Path) -> None:
    lines = (
        f'{{"id": {number}, "root": 0, "reply_to": {number - 1 or "null"}, "text": "t"}}\n'
        for number in range(1, 20_001)
    )
    path = write(tmp_path / "c", {"utterances.jsonl": "".join(lines).encode()})
    assert len(read(path, "convokit").pairs) == 19_999


REFUSED_YAML = [
    (b"- - !!python/object/apply:os.system ['touch TRAP']\n  - x\n", 6, "python/object"),
    (b"- - !!python/name:os.system\n  - x\n", 6, "python/name"),
    (b"- - !custom x\n  - y\n", 6, "!custom"),
    (b"- - !!int " + b"9" * 1_000_000 + b"\n  - y\n", 6, "int is refused"),
    (b"- - &a x\n  - *a\n", 7, "an alias"),
    (b"- - 'open quote\n  - x\n", 8, "unexpected end"),
    (b"- - @at\n  - x\n", 6, "cannot start any token"),
    (b"- - x\n - y\n", 7, "block collection|block entry|expected"),
    (b"- - [x, y\n  - z\n", 7, "flow sequence|expected"),
    (b"- " * 100_000 + b"x\n", 6, "deep"),
    (b"- " + b"[" * 500 + b"\n", 6, "deep"),
    (b"- \t- x\n", 6, "token|expected"),
    (b"--- \n- second document\n", 6, "document"),
]


@pytest.mark.parametrize(
    ("content", "line", "problem"), REFUSED_YAML, ids=[f"{case[0][:20]!r}" for case in REFUSED_YAML]
)
@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_yaml_that_asks_for_more_than_text_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    line: int,
    problem: str,
    loader: str,
) -> None:
    if loader == "SafeLoader":  # as where PyYAML has no libyaml
        plain = type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
        monkeypatch.setattr(chatterbot, "_TextLoader", plain)
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "c", damage("chatterbot", first_file("chatterbot")[1] + content))
    refusal = read(folder, "chatterbot").refusal
    found = re.match(rf"{re.escape(str(folder))}/a\.yml:(\d+): ", refusal)
    assert found, refusal
    assert abs(int(found[1]) - line) <= 1
    assert re.search(problem, refusal) or loader == "SafeLoader"
    assert not (tmp_path / "TRAP").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"just text",
        b"- a list\n",
        b"categories: [x]\n",
        b"conversations: text\n",
        b"conversations: {a: b}\n",
        b"conversations:\n",
    ],
)
def test_yaml_without_conversations_is_refused(tmp_path: Path, content: bytes) -> None:
    outcome = read(write(tmp_path / "c", {"a.yml": content}), "chatterbot")
    assert re.search(r'a\.yml:1: there is no list "conversations"', outcome.refusal)
