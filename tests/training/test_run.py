from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from chatbot.errors import ChatbotError
from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.stopping import StopRequest
from chatbot.training.run import train_directory
from chatbot.training.trainer import Trainer
from tests.trainings import PAIRS, digest_directory, read_metrics, tiny_settings, train, write_pairs


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
        ("precision", "float16"),
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


def test_a_corpus_that_was_moved_is_gone_on_with(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished / "model", tmp_path / "model")
    moved = str(shutil.copy(finished / "pairs.tsv", tmp_path / "moved.tsv"))
    before = digest_directory(tmp_path / "model")
    assert train(tmp_path / "model", corpus=moved) == 0
    assert "trained already (all 4 steps done)" in capsys.readouterr().err
    assert digest_directory(tmp_path / "model") == before
    assert train(tmp_path / "model", corpus=moved, max_steps=5) == 0
    assert [report["step"] for report in read_metrics(tmp_path / "model")] == [2, 3, 4, 5]
    assert ModelDirectory(tmp_path / "model").load()[0].corpus.corpus == moved


def test_another_corpus_elsewhere_is_refused(finished: Path, tmp_path: Path) -> None:
    before = digest_directory(finished / "model")
    other = write_pairs(tmp_path / "other.tsv", PAIRS[::-1])  # the same words in another order
    for steps in (4, 6):
        with pytest.raises(
            ChatbotError,
            match=r"other\.tsv is not what .* was begun with, which is .*pairs\.tsv; name another",
        ):
            train(finished / "model", corpus=str(other), max_steps=steps)
    with pytest.raises(ChatbotError, match=r"nowhere\.tsv: the corpus does not exist"):
        train(finished / "model", corpus=str(tmp_path / "nowhere.tsv"), max_steps=6)
    with pytest.raises(ChatbotError, match="--validation_corpus was , now"):
        train(finished / "model", validation_corpus=str(other), max_steps=6)
    assert digest_directory(finished / "model") == before


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
    with lock, pytest.raises(ChatbotError, match="trained already"):
        train(tmp_path / "model", max_steps=6)
    assert train(tmp_path / "model", max_steps=5) == 0


def test_no_corpus_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ChatbotError, match="--corpus"):
        train(tmp_path / "model")
    with pytest.raises(ChatbotError, match=r"missing\.tsv"):
        train(tmp_path / "model", corpus=str(tmp_path / "missing.tsv"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["no format at all", "hello\t\n\tbye\n"])
def test_a_corpus_that_cannot_be_used_leaves_no_directory(tmp_path: Path, content: str) -> None:
    corpus = tmp_path / "pairs.tsv"
    corpus.write_text(content)
    (tmp_path / "mine").mkdir()
    settings = tiny_settings(corpus, corpus_format="tsv")
    for model in (tmp_path / "new" / "model", tmp_path / "mine" / "model"):
        with pytest.raises(ChatbotError, match=r"pairs\.tsv"):
            train_directory(str(model), settings)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine", "pairs.tsv"]


def test_the_clock_stops_encoding_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv"), max_minutes=1e-9)
    assert train_directory(str(tmp_path / "model"), settings) == 0
    assert "stopped while the corpus was encoded" in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.tsv"]


def test_one_corpus_is_encoded_once_for_all_directories_beside_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = StopRequest()
    monkeypatch.setattr(Trainer, "run", lambda *_: "enough")  # all is there before the first step
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv"))
    one, other, elsewhere = (tmp_path / name for name in ("runs/one", "runs/other", "else/where"))
    assert train_directory(str(one), settings, stop=stop) == 0
    (key,) = (path.name for path in (one / "encoded").iterdir() if path.is_dir())
    stale = other / "encoded" / ("0" * 32)
    stale.mkdir(parents=True)
    for name in ("notes", key[:-1]):
        (other / "encoded" / name).mkdir()
    with monkeypatch.context() as patched:
        patched.setattr("chatbot.dataset.encoded_corpus.write_encoded", None)
        assert train_directory(str(other), {**settings, "rnn_size": 4}, stop=stop) == 0
        with pytest.raises(TypeError):
            train_directory(str(elsewhere), settings, stop=stop)
    assert not stale.exists()
    assert {path.name for path in (other / "encoded").iterdir() if path.is_dir()} == {
        "notes",
        key,
        key[:-1],
    }
    before = digest_directory(other / "encoded")
    shutil.rmtree(one)
    assert train_directory(str(other), {}, stop=stop) == 0
    assert digest_directory(other / "encoded") == before


def test_a_cache_that_is_named_is_shared_and_keeps_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "run", lambda *_: "enough")
    kept = tmp_path / "encoded" / ("0" * 32)
    kept.mkdir(parents=True)
    assert train(tmp_path / "model", **tiny_settings(write_pairs(tmp_path / "pairs.tsv"))) == 0
    assert kept.exists()
    assert not (tmp_path / "model" / "encoded").exists()


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


def test_a_training_shows_the_first_pairs_and_warns_of_columns_that_are_no_talk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [(f"{number}", f"Let us try \x1b[31m{number}") for number in range(1276, 1290)]
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv", pairs), max_steps=1)
    for name in ("first", "second"):  # which finds the corpus encoded
        assert train(tmp_path / name, **settings) == 0
        shown = capsys.readouterr().err.splitlines()
        start = shown.index("the first pairs:")
        assert shown[start + 1] == "  1276  ->  Let us try \ufffd[31m1276"
        assert shown[start + 4].startswith("warning: nearly all queries look like ids")
        assert "--columns=QUERY,REPLY" in shown[start + 4]
