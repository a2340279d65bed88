"""What a training was begun with: the same content is the same corpus, wherever it lies."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from chatbot.corpus import fingerprint
from chatbot.errors import ChatbotError
from chatbot.storage.model_directory import PAIRS as PAIRS_HASH
from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.stopping import StopRequest
from chatbot.training.audience import Audience
from chatbot.training.corpora import open_corpora
from chatbot.training.distribution import Distribution
from chatbot.training.job import Job
from chatbot.training.origins import enter_directory, fingerprint_corpora, settle_config
from tests.trainings import PAIRS, write_pairs


@pytest.fixture
def model(tmp_path: Path) -> ModelDirectory:
    """A training that was begun, with a corpus of its own to measure."""
    corpus = write_pairs(tmp_path / "pairs.tsv")
    measured = write_pairs(tmp_path / "measured.tsv", PAIRS[:3])
    directory = ModelDirectory(tmp_path / "model")
    enter(directory, corpus=str(corpus), validation_corpus=str(measured))
    return directory


def enter(directory: ModelDirectory, **given: Any) -> dict[str, str]:
    """Begins or goes on as a training does, up to its first step; returns what it would write."""
    config = settle_config(directory, given)
    cache = str(directory.path.parent / "encoded")
    job = Job(directory, config, cache, StopRequest(), Audience(False), Distribution())
    corpora = open_corpora(job)
    enter_directory(directory, config, corpora)
    return fingerprint_corpora(config, corpora)


def forget(directory: ModelDirectory, change: dict[str, str | None]) -> None:
    """Writes the sources as another version would have."""
    config, vocabulary = directory.load()
    known = {**directory.read_sources(), **change}
    directory.write_config(config, vocabulary, {n: value for n, value in known.items() if value})


def test_the_same_content_is_the_same_corpus(
    model: ModelDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {name: found for name, found in model.read_sources().items() if name != PAIRS_HASH}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    shutil.move(tmp_path / "pairs.tsv", "moved.tsv")
    measured = shutil.move(tmp_path / "measured.tsv", "m.tsv")
    os.utime("moved.tsv", (1, 1))
    for place in ("moved.tsv", "./moved.tsv", str(Path("moved.tsv").absolute())):
        assert enter(model, corpus=place, validation_corpus=measured) == known
    # In other files, but the same pairs in the same order.
    with zipfile.ZipFile("packed.zip", "w") as archive:
        archive.writestr("any/name.tsv", Path("moved.tsv").read_bytes())
    shutil.move("moved.tsv", "moved.txt")
    for place in ("packed.zip", "moved.txt"):
        enter(model, corpus=place, validation_corpus=measured)


@pytest.mark.parametrize("name", ["corpus", "validation_corpus"])
@pytest.mark.parametrize("pairs", [[("new", "words")], PAIRS[2::-1]], ids=["words", "order"])
def test_other_content_is_refused(
    model: ModelDirectory, tmp_path: Path, name: str, pairs: list[tuple[str, str]]
) -> None:
    other = write_pairs(tmp_path / "other.tsv", pairs)
    with pytest.raises(
        ChatbotError,
        match=r"other\.tsv is not what .*/model was begun with, which is .*; name another",
    ):
        enter(model, **{name: str(other)})


def test_a_corpus_to_measure_is_neither_added_nor_left_out(
    model: ModelDirectory, tmp_path: Path
) -> None:
    with pytest.raises(ChatbotError, match=r"--validation_corpus was .*measured\.tsv, now \)"):
        enter(model, validation_corpus="")
    without = ModelDirectory(tmp_path / "without")
    enter(without, corpus=str(tmp_path / "pairs.tsv"))
    with pytest.raises(ChatbotError, match="--validation_corpus was , now"):
        enter(without, validation_corpus=str(tmp_path / "measured.tsv"))


def test_what_older_versions_wrote_is_known_again(model: ModelDirectory, tmp_path: Path) -> None:
    known = model.read_sources()
    paths = {"corpus": tmp_path / "pairs.tsv", "validation_corpus": tmp_path / "measured.tsv"}
    once = {name: fingerprint(path, as_once=True) for name, path in paths.items()}
    assert not set(once.values()) & set(known.values())
    for change in (once, {**once, PAIRS_HASH: None}):
        forget(model, {**change})
        assert {**enter(model), PAIRS_HASH: known[PAIRS_HASH]} == known
    # Nothing is known but that the pairs are the same: enough, unless there are turns before them.
    forget(model, {"corpus": "0" * 64, PAIRS_HASH: known[PAIRS_HASH]})
    enter(model)
    config, vocabulary = model.load()
    longer = config.replace({"context_turns": 2})
    model.write_config(longer, vocabulary, model.read_sources())
    with pytest.raises(ChatbotError, match="has changed since"):
        enter(model)


def test_the_same_file_that_gives_other_pairs_now_is_refused(model: ModelDirectory) -> None:
    forget(model, {PAIRS_HASH: "0" * 64})
    with pytest.raises(ChatbotError, match="is read differently by this version"):
        enter(model)
