"""Corpora: every format gives its dialogues, detection knows them, wrong ones are named."""

from __future__ import annotations

import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatbot.corpus import (
    FORMATS,
    Pair,
    ReadReport,
    detect_format,
    read_dialogues,
    read_pairs,
)
from tests.corpus_samples import write_text as write

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the measuring corpora are not here")


def pack(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def cornell(folder: Path) -> Path:
    lines = [
        "L1 +++$+++ u0 +++$+++ m0 +++$+++ BIANCA +++$+++ Un caf\u00e9?",
        "L2 +++$+++ u2 +++$+++ m0 +++$+++ CAMERON +++$+++ Don\u0092t +++$+++ know.",
        "L3 +++$+++ u0 +++$+++ m0 +++$+++ BIANCA +++$+++ ",
        "L4 +++$+++ u2 +++$+++ m0 +++$+++ CAMERON +++$+++ Bye.",
        "L5 +++$+++ u0 +++$+++ m0 +++$+++ BIANCA +++$+++ Bye!",
    ]
    talks = [
        "u0 +++$+++ u2 +++$+++ m0 +++$+++ ['L4', 'L5']",
        "u0 +++$+++ u2 +++$+++ m0 +++$+++ ['L1', 'L2', 'L3']",
    ]
    write(folder / "movie_lines.txt", "\n".join(lines) + "\n", "latin-1")
    write(folder / "movie_conversations.txt", "\n".join(talks) + "\n", "latin-1")
    write(folder / "movie_characters_metadata.txt", "u0 +++$+++ BIANCA\n")
    return folder


def test_formats_are_the_promised_ones() -> None:
    names = "auto tsv csv jsonl json dailydialog cornell convokit chatterbot conv mixed"
    assert tuple(names.split()) == FORMATS


def test_tsv_takes_two_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "hello\thi\nname?\tpip\tgreetings\tmore\n\n你好\t你好！")
    assert list(read_dialogues(path)) == [["hello", "hi"], ["name?", "pip"], ["你好", "你好！"]]
    assert list(read_pairs(path))[1] == Pair("name?", "pip", 1)


@pytest.mark.parametrize("suffix", ["tsv", "jsonl", "conv", "yml"])
def test_a_directory_is_searched_in_sorted_order(tmp_path: Path, suffix: str) -> None:
    contents = {
        "tsv": "{0}\tre {0}\n",
        "jsonl": '{{"query": "{0}", "reply": "re {0}"}}\n',
        "conv": "E\nM {0}\nM re {0}\n",
        "yml": "conversations:\n- - {0}\n  - re {0}\n",
    }
    for name in ("b", "c/x", "a", ".hidden"):
        write(tmp_path / "corpus" / f"{name}.{suffix}", contents[suffix].format(name))
    write(tmp_path / "corpus" / "README.md", "not\ta pair\n")
    (tmp_path / "corpus" / f"directory.{suffix}").mkdir()
    expected = [[name, f"re {name}"] for name in ("a", "b", "c/x")]
    assert list(read_dialogues(tmp_path / "corpus")) == expected
    assert list(read_dialogues(str(tmp_path / "corpus"))) == expected


def test_jsonl_takes_query_and_reply(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"reply": "hi\\n!", "query": "hello", "topic": 3}\r\n')
    assert list(read_dialogues(path)) == [["hello", "hi\n!"]]


def test_dailydialog_parts_turns(tmp_path: Path) -> None:
    content = "Hi . __eou__ Hello ! __eou__ Bye . __eou__\nA__eou__B\n"
    path = write(tmp_path / "dialogues_train.txt", content)
    expected = [["Hi .", "Hello !", "Bye ."], ["A", "B"]]
    assert list(read_dialogues(path)) == expected
    write(tmp_path / "dialogues_act_train.txt", "1 2 1\n1 2\n")
    write(tmp_path / "dialogues_emotion_train.txt", "0 0 0\n0 0\n")
    write(tmp_path / "readme.txt", "about __eou__ it")
    assert list(read_dialogues(tmp_path)) == expected
    members = {f"train/{found.name}": found.read_text() for found in tmp_path.glob("*.txt")}
    assert list(read_dialogues(pack(tmp_path / "train.zip", members))) == expected


def test_dailydialog_reads_the_uppermost_files_once(tmp_path: Path) -> None:
    write(tmp_path / "dialogues_text.txt", "a __eou__ b __eou__\nc __eou__ d __eou__\n")
    write(tmp_path / "dialogues_topic.txt", "1\n1\n")
    write(tmp_path / "train" / "dialogues_train.txt", "a __eou__ b __eou__\n")
    write(tmp_path / "test" / "dialogues_test.txt", "c __eou__ d __eou__\n")
    assert list(read_dialogues(tmp_path)) == [["a", "b"], ["c", "d"]]
    (tmp_path / "dialogues_text.txt").unlink()
    assert list(read_dialogues(tmp_path)) == [["c", "d"], ["a", "b"]]


def test_cornell_looks_lines_up(tmp_path: Path) -> None:
    folder = cornell(tmp_path / "cornell movie-dialogs corpus")
    expected = [["Bye.", "Bye!"], ["Un café?", "Don’t +++$+++ know.", ""]]
    report = ReadReport()
    for path in (folder, tmp_path, folder / "movie_conversations.txt", folder / "movie_lines.txt"):
        assert list(read_dialogues(path)) == expected
    assert [pair.query for pair in read_pairs(folder, report=report)] == ["Bye.", "Un café?"]
    assert report.dropped == {"pair with an empty side": 1}
    with zipfile.ZipFile(tmp_path / "cornell.zip", "w") as archive:
        for found in folder.iterdir():
            archive.write(found, f"cornell/{found.name}")
            archive.writestr(f"__MACOSX/cornell/._{found.name}", b"\0\5")
    assert list(read_dialogues(tmp_path / "cornell.zip")) == expected


def test_chatterbot_reads_yaml_as_it_is_written(tmp_path: Path) -> None:
    content = """
categories: [x]
conversations:
- - Are you 12?
  - yes
- [2001-01-01, 3.50, [one]]
- - "Quoted: text"
  - Note: a colon
"""
    path = write(tmp_path / "a.yml", content)
    expected = [
        ["Are you 12?", "yes"],
        ["2001-01-01", "3.50", "one"],
        ["Quoted: text", "Note: a colon"],
    ]
    assert list(read_dialogues(path)) == expected
    path.rename(tmp_path / "a.yaml")
    assert list(read_dialogues(tmp_path)) == expected


def test_conv_reads_turns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conv", "E\nM hello\nM hi there\nM bye\nE\nM 你好\nM 你好 呀\nE\n")
    assert list(read_dialogues(path)) == [["hello", "hi there", "bye"], ["你好", "你好 呀"]]


def test_conv_gives_an_endless_dialogue_in_parts_without_losing_a_pair(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conv", "".join(f"M {number}\n" for number in range(3000)))
    pairs = [(pair.query, pair.reply) for pair in read_pairs(path)]
    assert pairs == [(f"{number}", f"{number + 1}") for number in range(2999)]
    assert max(map(len, read_dialogues(path))) == 1000


def test_pairs_are_consecutive_turns_with_tokens(tmp_path: Path) -> None:
    content = "E\nM a\nM b\nM \u200b\nM c\nM 。\nE\nM alone\nE\nM x\nM é\n"
    path = write(tmp_path / "a.conv", content)
    report = ReadReport()
    assert list(read_pairs(path, report=report)) == [
        Pair("a", "b", 0),
        Pair("c", "。", 0),
        Pair("x", "é", 1),
    ]
    assert (report.dialogues, report.pairs) == (2, 3)
    assert report.dropped == {"pair with an empty side": 2, "dialogue of a single turn": 1}
    assert report.first["dialogue of a single turn"] == f"{path}:8"


def test_the_summary_is_one_line_with_counts_and_places() -> None:
    report = ReadReport(dialogues=1200, pairs=3400)
    assert report.summary() == "1,200 dialogues, 3,400 pairs, nothing left out"
    report.drop("line without a tab", "a.tsv:3")
    report.drop("line without a tab", "a.tsv:9", count=1999)
    assert report.summary() == (
        "1,200 dialogues, 3,400 pairs; left out: 2,000 x line without a tab (first a.tsv:3)"
    )


def test_reading_is_lazy_and_its_memory_flat(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "how are you today?\tfine, thank you.\n" * 50_000)
    pairs = read_pairs(path)
    assert isinstance(pairs, Iterator)
    tracemalloc.start()
    try:
        assert sum(1 for _ in pairs) == 50_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 4


@needs_shared
@pytest.mark.parametrize(
    ("name", "dialogues", "pairs"), [("train", 11_118, 76_053), ("validation", 1_000, 7_069)]
)
def test_the_official_dailydialog_has_its_known_size(name: str, dialogues: int, pairs: int) -> None:
    report = ReadReport()
    path = SHARED / "dailydialog" / f"{name}.zip"
    assert sum(1 for _ in read_pairs(path, report=report)) == pairs
    assert (report.dialogues, report.pairs, report.dropped) == (dialogues, pairs, {})
    assert detect_format(path) == "dailydialog"


@needs_shared
@pytest.mark.parametrize(("language", "least"), [("english", 2_000), ("chinese", 500)])
def test_the_chatterbot_corpus_reads(language: str, least: int) -> None:
    report = ReadReport()
    pairs = list(read_pairs(SHARED / "chatterbot" / language, report=report))
    assert len(pairs) >= least
    assert sum(report.dropped.values()) <= 1
