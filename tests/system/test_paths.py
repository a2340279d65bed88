from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.bot import Chatbot
from chatbot.chat.conversation import _split_path
from chatbot.corpus import read_pairs
from chatbot.errors import ChatbotError
from chatbot.settings.config import CorpusConfig
from chatbot.system.paths import PROJECT, default_model_dir, find_in_project, local_path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("~", "{home}"),
        ("~/model/x", "{home}/model/x"),
        (Path("~/model/x"), "{home}/model/x"),
        (b"~/\xff", "{home}/\udcff"),
        ("./~x.tsv", "./~x.tsv"),
        ("a~/b", "a~/b"),
        ("run[1]/a b\\c", "run[1]/a b\\c"),
        ("a:b", "a:b"),
        ("", ""),
    ],
)
def test_home_is_written_out_and_all_else_is_as_it_was(
    written: Any, meant: str, home: Path
) -> None:
    assert local_path(written) == meant.format(home=home)


@given(st.text())
def test_a_path_written_out_stays_as_it_is(text: str) -> None:
    with contextlib.suppress(ChatbotError):
        written_out = local_path(text)
        assert local_path(written_out) == written_out


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gs://bucket/model", "gs://bucket/model is an address, not a path on this machine"),
        (Path("s3://bucket/model"), "s3:/bucket/model is an address"),
        ("HDFS+v2://a", "is an address"),
        ("file:///home", "is an address"),
        ("~nobody-of-this-name/x", "write ./~nobody-of-this-name/x"),
        ("a\0b", "holds a NUL character"),
    ],
)
def test_what_is_no_path_here_is_one_line_at_every_entrance(path: Any, message: str) -> None:
    for enter in (local_path, Chatbot.load, read_pairs, default_model_dir):
        with pytest.raises(ChatbotError) as caught:
            enter(path)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ChatbotError, match=r"^--validation_corpus="):
        CorpusConfig(validation_corpus=str(path).replace(":/b", "://b"))


def test_every_entrance_knows_home(home: Path) -> None:
    (home / "pairs.tsv").write_text("hello\thi\n", encoding="utf-8")
    assert [pair.reply for pair in read_pairs("~/pairs.tsv")] == ["hi"]
    assert CorpusConfig(corpus="~/pairs.tsv").corpus == str(home / "pairs.tsv")
    assert _split_path("2 ~/a.png") == ("2", f"{home}/a.png")
    with pytest.raises(ChatbotError, match=f"^{home}/model does not exist"):
        Chatbot.load("~/model")


@pytest.mark.parametrize(
    ("corpus", "name"),
    [
        ("mine.tsv", "mine"),
        ("a/mine.tsv.gz", "mine"),
        ("my.data.jsonl", "my.data"),
        ("talk.zip", "talk"),
        ("v1.2.tsv", "v1.2"),
        ("mine", "mine"),
        ("data/smalltalk", "smalltalk"),
        ("dailydialog/train.zip", "dailydialog"),
        ("movies/movie_lines.txt", "movies"),
        ("data/train.tsv", "train"),  # neither says anything
        ("~/own/utterances.jsonl", "own"),
        ("own/.tsv", "own"),
    ],
)
def test_a_model_is_named_after_its_corpus(
    corpus: str, name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    assert default_model_dir(corpus) == f"{PROJECT}/model/{name}"
    monkeypatch.chdir(PROJECT)
    assert default_model_dir(corpus) == f"model/{name}"


def test_a_directory_is_no_file_with_an_ending(home: Path) -> None:
    (home / "talk.v2").mkdir()
    assert default_model_dir(str(home / "talk.v2")).endswith("model/talk.v2")


@pytest.mark.parametrize("corpus", ["", "/"])
def test_no_corpus_names_no_model(corpus: str) -> None:
    with pytest.raises(ChatbotError, match="nothing to learn from"):
        default_model_dir(corpus)


def test_the_project_is_found_from_anywhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    assert find_in_project("data/smalltalk") == "data/smalltalk"
    monkeypatch.chdir(home)
    assert find_in_project("data/smalltalk") == str(PROJECT / "data/smalltalk")


def test_a_working_directory_that_is_gone_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "gone").mkdir()
    monkeypatch.chdir(home / "gone")
    (home / "gone").rmdir()
    with pytest.raises(ChatbotError, match="the working directory has been removed"):
        default_model_dir("mine.tsv")
