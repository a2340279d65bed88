from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from trainings import PAIRS, digest_directory, read_metrics, tiny_settings, train, write_pairs

from chatbot.checkpoint import ModelDirectory
from chatbot.errors import ChatbotError
from chatbot.training import Trainer


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training beside its corpus; copy it before changing it."""
    place = tmp_path_factory.mktemp("finished")
    write_pairs(place / "pairs.tsv")
    assert train(place / "model", **tiny_settings(place / "pairs.tsv", max_steps=4)) == 0
    return place


def test_a_finished_training_says_so_and_changes_nothing(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = digest_directory(finished)
    assert train(finished / "model") == 0
    assert train(finished / "model", **tiny_settings(finished / "pairs.tsv", max_steps=4)) == 0
    assert digest_directory(finished) == before
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all("trained already (all 4 steps done)" in line for line in said)


def test_more_steps_go_on_from_the_last_one(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "model", tmp_path / "model")
    assert train(tmp_path / "model", max_steps=6) == 0
    assert [report["step"] for report in read_metrics(tmp_path / "model")] == [2, 3, 4, 6]
    config, _ = ModelDirectory(tmp_path / "model").load()
    assert config.training.max_steps == 6
    assert config.model.rnn_size == 8


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("rnn_size", 16),
        ("attention", "bahdanau"),
        ("batch_size", 4),
        ("max_length", 9),
        ("context_turns", 2),
    ],
)
def test_other_settings_are_refused_by_name(finished: Path, setting: str, value: object) -> None:
    before = digest_directory(finished)
    with pytest.raises(ChatbotError, match=rf"--{setting} was .*, now {value}"):
        train(finished / "model", **{setting: value})
    assert digest_directory(finished) == before


def test_a_changed_corpus_is_refused(finished: Path, tmp_path: Path) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    settings = tiny_settings(corpus, max_steps=2)
    assert train(tmp_path / "model", **settings) == 0
    queries, replies = zip(*PAIRS)
    for changed in ([("a new", "corpus")], list(zip(queries, replies[1:] + replies[:1]))):
        write_pairs(corpus, changed)  # other words, then the same words in other pairs
        with pytest.raises(ChatbotError, match=r"pairs\.tsv has changed since"):
            train(tmp_path / "model", max_steps=4)


def test_fewer_steps_than_done_are_refused(finished: Path) -> None:
    before = digest_directory(finished)
    with pytest.raises(ChatbotError, match="ask for 2 steps, but 4 are done"):
        train(finished / "model", max_steps=2)
    assert digest_directory(finished) == before


def test_the_clock_of_one_run_is_not_kept(finished: Path) -> None:
    before = digest_directory(finished)
    assert train(finished / "model", max_minutes=5.0) == 0
    assert digest_directory(finished) == before


def test_settings_and_words_are_written_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise StoppedError

    monkeypatch.setattr(Trainer, "_advance", interrupt)
    with pytest.raises(StoppedError):
        train(tmp_path / "model", **tiny_settings(write_pairs(tmp_path / "pairs.tsv")))
    config, vocabulary = ModelDirectory(tmp_path / "model").load()
    assert config.model.rnn_size == 8
    assert "hello" in vocabulary.words
    assert ModelDirectory(tmp_path / "model").checkpoints() == []


def test_a_second_training_on_one_directory_is_refused(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "model", tmp_path / "model")
    lock = ModelDirectory(tmp_path / "model").lock()
    with lock, pytest.raises(ChatbotError, match="another process"):
        train(tmp_path / "model", max_steps=6)
    assert train(tmp_path / "model", max_steps=5) == 0


def test_no_corpus_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ChatbotError, match="--corpus"):
        train(tmp_path / "model")
    with pytest.raises(ChatbotError, match=r"missing\.tsv"):
        train(tmp_path / "model", corpus=str(tmp_path / "missing.tsv"))
    assert not (tmp_path / "model" / "config.json").exists()


def test_tensorboard_drops_the_steps_that_a_kill_undid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise MemoryError

    model = tmp_path / os.fsdecode(b"run[1]\\\xff")  # events do not depend on the name either
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv"), steps_per_checkpoint=100)
    monkeypatch.setattr(Trainer, "_save", die)  # what the epochs reported is not saved
    with pytest.raises(MemoryError):
        train(model, **settings)
    monkeypatch.undo()
    assert train(model, max_steps=7) == 0
    (tmp_path / "view").symlink_to(model)  # the reader has its own trouble with such names
    events = EventAccumulator(str(tmp_path / "view" / "events")).Reload()
    reports = read_metrics(model)
    assert [report["step"] for report in reports] == [3, 6, 7]
    for figure in ("loss", "gradient_norm"):
        drawn = [(event.step, event.value) for event in events.Scalars(figure)]
        assert drawn == [(r["step"], pytest.approx(r[figure])) for r in reports]
