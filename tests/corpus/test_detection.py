"""Corpora: formats are told apart, wrong ones named, changes noticed."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from chatbot.corpus import FORMATS, detect_format, fingerprint, read_dialogues, read_pairs
from chatbot.errors import ChatbotError
from tests.corpus_samples import write_text as write


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.TSV", "x", "tsv"),
        ("a.jsonl", '{"query": "a", "reply": "b"}', "jsonl"),
        ("a.jsonl", '{"id": "u1", "root": "u1", "text": "a"}', "convokit"),
        ("utterances.jsonl", "", "convokit"),
        ("a.yaml", "", "chatterbot"),
        ("a.conv", "", "conv"),
        ("dialogues_text.txt", "", "dailydialog"),
        ("movie_lines.txt", "", "cornell"),
        ("a.txt", "\ufeffq\tr\nq\tr\n", "tsv"),
        ("a.txt", "a __eou__ b __eou__", "dailydialog"),
        ("a", "E\nM a\nM b", "conv"),
        ("a.json", '\n{"query": "a", "reply": "b"}', "jsonl"),
        ("corpus", "categories:\n- x\nconversations:\n- - a\n  - b\n", "chatterbot"),
    ],
)
def test_one_file_tells_its_format(tmp_path: Path, name: str, content: str, expected: str) -> None:
    assert detect_format(write(tmp_path / name, content)) == expected


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "formats are tsv, csv, jsonl, json, dailydialog, cornell, convokit, chatterbot, conv"),
        ({"notes.txt": "hello\n"}, "no corpus of a known format"),
        ({"train.zip": "x", "test.zip": "x"}, r"one of its archives \(.*test\.zip, .*train\.zip\)"),
    ],
)
def test_a_directory_of_no_format_is_named(
    tmp_path: Path, files: dict[str, str], problem: str
) -> None:
    for name, content in files.items():
        write(tmp_path / name, content)
    with pytest.raises(ChatbotError, match=problem) as refusal:
        detect_format(tmp_path)
    assert str(refusal.value).startswith(f"{tmp_path}: ")


@pytest.mark.parametrize("corpus_format", FORMATS)
def test_a_missing_corpus_is_refused_before_reading(tmp_path: Path, corpus_format: str) -> None:
    with pytest.raises(ChatbotError, match="nowhere: the corpus does not exist; check --corpus"):
        read_pairs(tmp_path / "nowhere", corpus_format)
    with pytest.raises(ChatbotError, match="no corpus is given"):
        read_dialogues("", corpus_format)


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "a\tb\n")
    with pytest.raises(ChatbotError, match=r"--corpus_format=tab: .*auto, tsv, csv, jsonl"):
        read_pairs(path, "tab")


def test_the_wrong_format_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "\nquestion\tanswer\n")
    for corpus_format in ("jsonl", "dailydialog", "convokit", "conv"):
        with pytest.raises(ChatbotError, match=r"a\.txt:2: .*choose another --corpus_format"):
            list(read_pairs(path, corpus_format))
    with pytest.raises(ChatbotError, match=r"a\.txt:\d: .*another --corpus_format"):
        list(read_pairs(path, "chatterbot"))
    with pytest.raises(ChatbotError, match=r"no movie_lines\.txt in it"):
        list(read_pairs(path, "cornell"))
    conversation = write(tmp_path / "b.txt", "E\nM a\nM b\n")
    with pytest.raises(ChatbotError, match=r"b\.txt:1: line without a tab; .* as tsv"):
        list(read_pairs(conversation, "tsv"))


def test_dialogues_without_a_pair_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"query": " ", "reply": "b"}\n')
    assert list(read_dialogues(path)) == [[" ", "b"]]
    with pytest.raises(ChatbotError, match=r"a\.jsonl:1: pair with an empty side"):
        list(read_pairs(path))


def test_the_fingerprint_follows_what_would_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "corpus"
    path = write(folder / "a.tsv", "a\tb\n")
    before = fingerprint(folder)
    write(folder / "README.md", "something")
    os.utime(path, (1, 1))
    assert fingerprint(folder) == fingerprint(str(folder)) == fingerprint(path) == before
    monkeypatch.chdir(folder)
    assert fingerprint(".") == fingerprint("a.tsv") == fingerprint("../corpus/a.tsv") == before
    write(path, "a\tc\n")
    assert fingerprint(folder) != before
    write(path, "a\tb\n")
    assert fingerprint(path.rename(folder / "b.tsv")) == before
    assert fingerprint(folder.rename(tmp_path / "moved")) == before
    write(tmp_path / "moved" / "c.tsv", "c\td\n")
    assert fingerprint(tmp_path / "moved") != before


def test_the_fingerprint_knows_what_a_name_and_a_place_mean(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", "{}\n")
    before = fingerprint(path)
    assert fingerprint(path.rename(tmp_path / "utterances.jsonl")) != before
    # Of DailyDialog only the uppermost files are read.
    for place, below in (("one", "b"), ("other", "b/c")):
        write(tmp_path / place / "a" / "dialogues_a.txt", "a __eou__ b\n")
        write(tmp_path / place / below / "dialogues_b.txt", "c __eou__ d\n")
    assert len(list(read_pairs(tmp_path / "one"))) == 2
    assert len(list(read_pairs(tmp_path / "other"))) == 1
    assert fingerprint(tmp_path / "one") != fingerprint(tmp_path / "other")


def test_the_fingerprint_of_a_cornell_file_covers_both(tmp_path: Path) -> None:
    path = write(tmp_path / "movie_conversations.txt", "u0 +++$+++ u1 +++$+++ m0 +++$+++ ['L1']")
    write(tmp_path / "movie_lines.txt", "L1 +++$+++ one")
    before = fingerprint(path)
    write(tmp_path / "movie_lines.txt", "L1 +++$+++ two")
    assert fingerprint(path) != before


def test_the_fingerprint_of_a_large_file_is_its_content(tmp_path: Path) -> None:
    path = tmp_path / "large.tsv"
    with open(path, "wb") as file:
        file.truncate((64 << 20) + 1)
    before, once = fingerprint(path), fingerprint(path, as_once=True)
    os.utime(path, ns=(1, 1))
    assert fingerprint(path) == before
    assert fingerprint(path, as_once=True) != once
    with open(path, "r+b") as file:
        file.seek(32 << 20)
        file.write(b"x")
    os.utime(path, ns=(1, 1))
    assert fingerprint(path) != before


def test_the_fingerprint_of_older_versions_is_still_known(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "a\tb\n")
    content = hashlib.sha256(b"4\0a\tb\n").digest()
    assert fingerprint(path, as_once=True) == hashlib.sha256(b"a.tsv\0" + content).hexdigest()


def test_the_fingerprint_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChatbotError, match="does not exist"):
        fingerprint(tmp_path / "nowhere")


def test_a_directory_of_several_formats_is_read_file_by_file(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", "a\tb\n")
    write(tmp_path / "deep" / "b.conv", "E\nM c\nM d\n")
    write(tmp_path / "z.jsonl", '["e", "f"]\n')
    write(tmp_path / "about.json", '[["no", "dialogue"]]')
    assert detect_format(tmp_path) == "mixed"
    assert list(read_dialogues(tmp_path)) == [["a", "b"], ["c", "d"], ["e", "f"]]


def test_what_is_held_out_is_never_learned_but_can_be_read(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    write(corpus / "a.tsv", "a\tb\n")
    before = fingerprint(corpus)
    write(corpus / "held_out" / "b.jsonl", '["c", "d"]\n')
    assert detect_format(corpus) == "tsv"
    assert fingerprint(corpus) == before
    with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as archive:
        for path in ("a.tsv", "held_out/b.jsonl"):
            archive.write(corpus / path, f"corpus/{path}")
    for place in (corpus, tmp_path / "corpus.zip"):
        assert list(read_dialogues(place)) == [["a", "b"]]
    assert list(read_dialogues(corpus / "held_out")) == [["c", "d"]]
