"""A model directory of version 1.0.0 replies as it did, and its training goes on as it did."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import chatbot
from chatbot.bot import Chatbot
from tests.trainings import read_metrics

STORED = Path(__file__).parent / "stored_model"
EXPECTED = json.loads((STORED / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture
def model_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    shutil.copytree(STORED, tmp_path / "model")
    (tmp_path / "model" / "pairs.tsv").rename(tmp_path / "pairs.tsv")
    monkeypatch.chdir(tmp_path)  # its config.json names the corpus without a directory
    return "model"


def assert_replies(model_dir: str, expected: dict[str, list[list[Any]]]) -> None:
    bot = Chatbot.load(model_dir)
    for query, (greedy, *beam) in expected.items():
        reply = bot.greedy(query)
        assert [reply.text, reply.log_prob] == [greedy[0], pytest.approx(greedy[1], abs=1e-4)]
        found = [(reply.text, reply.log_prob, reply.score) for reply in bot.reply(query)]
        assert [text for text, *_ in found] == [text for text, *_ in beam]
        for (_, *figures), (_, *expected_figures) in zip(found, beam):
            assert figures == pytest.approx(expected_figures, abs=1e-4)


def test_it_replies_as_it_did(model_dir: str) -> None:
    assert_replies(model_dir, EXPECTED["replies"])


def test_its_training_goes_on_as_it_did(model_dir: str) -> None:
    before = read_metrics(STORED)
    done = chatbot.train(model_dir=model_dir, max_steps=330)
    assert (done.step, done.finished) == (330, "all 330 steps done")
    reports = read_metrics(Path(model_dir))
    assert reports[: len(before)] == before
    new = reports[len(before) :]
    for report, expected in zip(new, EXPECTED["reports"], strict=True):
        assert report.pop("word_perplexity") == report["perplexity"]  # later than the stored ones
        assert report == pytest.approx(expected, abs=1e-4)
    assert_replies(model_dir, EXPECTED["replies_at_the_end"])
