from __future__ import annotations

import errno
import math
import re
from pathlib import Path
from typing import Any

import pytest

from chatbot.errors import ChatbotError
from chatbot.storage.model_directory import ModelDirectory
from chatbot.storage.reports import append_report
from chatbot.system.stopping import StopRequest
from chatbot.text import join, tokenize
from chatbot.training.step import make_train_step
from chatbot.training.trainer import Trainer
from tests.trainings import (
    PAIRS,
    StopAfter,
    assert_same_weights,
    read_metrics,
    stop_after_step,
    tiny_settings,
    train,
    write_pairs,
)

REPORT = {
    *("step", "epoch", "loss", "perplexity", "word_perplexity", "gradient_norm", "learning_rate")
}


def test_going_on_to_another_end_says_how_the_step_size_jumps(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    settings = tiny_settings(corpus, learning_rate_schedule="linear", max_steps=2)
    assert train(tmp_path / "model", **settings) == 0
    assert "learning rate" not in capfd.readouterr().err
    assert train(tmp_path / "model", max_steps=3) == 0
    said = capfd.readouterr().err
    assert said.count("the learning rate was 0.005 at step 2 and is 0.00333 at the next") == 1
    rates = [report["learning_rate"] for report in read_metrics(tmp_path / "model")]
    assert rates == pytest.approx([0.005, 0.01 / 3])


def test_training_lowers_the_loss_and_reports_it(tmp_path: Path) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    settings = tiny_settings(
        corpus, max_steps=60, learning_rate=0.05, dropout=0.0, embedding_dropout=0.0
    )
    assert train(tmp_path / "model", **settings) == 0
    reports = read_metrics(tmp_path / "model")
    assert all(set(report) == REPORT for report in reports)
    # Seven pairs in batches of three: an epoch is three steps, a checkpoint two.
    expected = sorted({*range(2, 61, 2), *range(3, 61, 3)})
    assert [report["step"] for report in reports] == expected
    assert reports[1]["epoch"] == 1.0
    assert reports[-1]["loss"] < 0.5 * reports[0]["loss"]
    for report in reports:
        assert report["perplexity"] == pytest.approx(math.exp(report["loss"]))
        assert report["learning_rate"] == pytest.approx(0.05)
        assert report["gradient_norm"] > 0


def test_stopped_again_and_again_is_uninterrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    other = write_pairs(tmp_path / "other.tsv", [*PAIRS[:4], ("hello", "bye 再见 !")])
    settings = tiny_settings(corpus, validation_corpus=str(other))
    assert train(tmp_path / "whole", **settings) == 0
    # Between two reports, at the end of an epoch, at a checkpoint.
    for stopped_at in (1, 3, 4):
        with monkeypatch.context() as patch:
            stop_after_step(patch, stopped_at)
            assert train(tmp_path / "parts", **settings) == 0
        assert ModelDirectory(tmp_path / "parts").finished() is None
    assert train(tmp_path / "parts", **settings) == 0
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    assert read_metrics(tmp_path / "parts") == read_metrics(tmp_path / "whole")
    whole, parts = (
        [(kept.step, kept.validation_perplexity) for kept in ModelDirectory(path).checkpoints()]
        for path in (tmp_path / "whole", tmp_path / "parts")
    )
    assert whole == parts


def test_a_stop_during_validation_loses_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    settings = tiny_settings(corpus, validation_corpus=str(corpus), max_steps=4)
    assert train(tmp_path / "whole", **settings) == 0
    measure = Trainer.measure

    def measure_and_stop(self: Trainer, stop: StopRequest) -> Any:
        return measure(self, StopAfter(lambda: self.step == 2))

    with monkeypatch.context() as patch:
        stop_after_step(patch, 2)
        patch.setattr(Trainer, "measure", measure_and_stop)
        assert train(tmp_path / "halves", **settings) == 0
        assert ModelDirectory(tmp_path / "halves").finished() is None
    owed = tmp_path / "halves" / "metrics.jsonl"
    assert not owed.exists()
    # As by a process that was killed between the report and the checkpoint that knows of it.
    first, *_ = (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines(keepends=True)
    owed.write_text(first)
    assert train(tmp_path / "halves", **settings) == 0
    assert read_metrics(tmp_path / "halves") == read_metrics(tmp_path / "whole")
    assert_same_weights(tmp_path / "whole", tmp_path / "halves")


def test_a_stop_right_after_a_report_keeps_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    settings = tiny_settings(corpus, validation_corpus=str(corpus), max_steps=6)
    measure = Trainer.measure
    with monkeypatch.context() as patch:
        stop_after_step(patch, 4)
        patch.setattr(Trainer, "measure", lambda self, _: measure(self, StopRequest()))
        train(tmp_path / "model", **settings)
        # Asked to stop before its first step: nothing to do, nothing to forget.
        train(tmp_path / "model", **settings)
    measured = read_metrics(tmp_path / "model")[-1]["validation_perplexity"]
    newest = ModelDirectory(tmp_path / "model").newest()
    assert newest is not None
    assert newest.step == 4
    assert newest.validation_perplexity == measured


def test_patience_stops_a_training_that_no_longer_improves(tmp_path: Path) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    other = write_pairs(tmp_path / "other.tsv", [("hello", "bye 再见 !"), ("bye", "fine you")])
    settings = tiny_settings(
        corpus, validation_corpus=str(other), patience=2, max_steps=400, learning_rate=0.1
    )
    assert train(tmp_path / "model", **settings) == 0
    measured = [report["validation_perplexity"] for report in read_metrics(tmp_path / "model")]
    assert len(measured) < 200
    assert min(measured) == measured[-3]
    finished = ModelDirectory(tmp_path / "model").finished()
    assert finished is not None
    assert "no better validation perplexity in 2 reports" in finished["reason"]
    best, newest = (
        getattr(ModelDirectory(tmp_path / "model"), name)() for name in ("best", "newest")
    )
    assert best.validation_perplexity == min(measured)
    assert newest.step > best.step


class BadSteps:
    """A training step that gives no number at some steps."""

    def __init__(self, good: Any, bad: set[int]) -> None:
        self._good = good
        self._bad = bad

    def get_concrete_function(self) -> Any:
        return self

    def __call__(self, *arguments: Any) -> Any:
        if int(arguments[3]) in self._bad:
            return math.nan, math.nan, 0.0
        return self._good(*arguments)


def spoil(monkeypatch: pytest.MonkeyPatch, bad: set[int]) -> None:
    monkeypatch.setattr(
        "chatbot.training.computation.make_train_step",
        lambda *a: BadSteps(make_train_step(*a), bad),
    )


def test_bad_steps_are_skipped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, {1, 4, 5})
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv"), max_bad_steps=3)
    assert train(tmp_path / "model", **settings) == 0
    reports = read_metrics(tmp_path / "model")
    counted = {report["step"]: report.get("bad_steps") for report in reports}
    assert counted == {2: 1, 3: 1, 4: 1, 8: 3}


def natural(text: str) -> str:
    return join(tokenize(text))


def test_too_many_bad_steps_end_with_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, {3, 4, 5, 6})
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv"), max_bad_steps=3)
    with pytest.raises(ChatbotError, match=r"up to step 6 with the pairs .*ckpt-2;") as caught:
        train(tmp_path / "model", **settings)
    assert "\n" not in str(caught.value)
    quoted = re.findall(r'"([^"]+)" -> "([^"]+)"', str(caught.value))
    assert quoted
    assert set(quoted) <= {(natural(query), natural(reply)) for query, reply in PAIRS}
    newest = ModelDirectory(tmp_path / "model").newest()
    assert newest is not None
    assert newest.step == 2


class Clock:
    """A step takes a minute, and all else no time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.minutes = 0
        advance = Trainer._advance

        def advance_and_tick(trainer: Trainer, *arguments: Any) -> None:
            self.minutes += 1
            advance(trainer, *arguments)

        monkeypatch.setattr(Trainer, "_advance", advance_and_tick)
        monkeypatch.setattr("chatbot.system.stopping.time", self)

    def monotonic(self) -> float:
        return 60.0 * self.minutes


def test_the_clock_stops_a_training_that_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv"), max_steps=1_000_000)
    with monkeypatch.context() as patch:
        Clock(patch)
        assert train(tmp_path / "model", **settings, max_minutes=2.5) == 0
    assert ModelDirectory(tmp_path / "model").finished() is None
    newest = ModelDirectory(tmp_path / "model").newest()
    assert newest is not None
    assert newest.step == 3
    assert train(tmp_path / "model", max_steps=4) == 0
    assert read_metrics(tmp_path / "model")[-1]["step"] == 4


def test_validation_share_holds_pairs_out(tmp_path: Path) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv", [(f"w{n} a", f"b w{n}") for n in range(30)])
    settings = tiny_settings(corpus, validation_share=0.3, max_steps=2)
    assert train(tmp_path / "model", **settings) == 0
    assert read_metrics(tmp_path / "model")[-1]["validation_perplexity"] > 1


def test_a_report_that_cannot_be_written_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    settings = tiny_settings(corpus, validation_corpus=str(corpus), patience=50)
    assert train(tmp_path / "whole", **settings) == 0

    def fail(path: Path, report: dict[str, Any]) -> None:
        if report["step"] == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        append_report(path, report)

    with monkeypatch.context() as patch:
        patch.setattr("chatbot.training.trainer.append_report", fail)
        with pytest.raises(ChatbotError, match="No space left on device; mend that"):
            train(tmp_path / "parts", **settings)
    assert train(tmp_path / "parts", **settings) == 0
    assert read_metrics(tmp_path / "parts") == read_metrics(tmp_path / "whole")
    whole, parts = (
        [
            (kept.step, kept.validation_perplexity, kept.progress)
            for kept in ModelDirectory(path).checkpoints()
        ]
        for path in (tmp_path / "whole", tmp_path / "parts")
    )
    assert parts == whole
