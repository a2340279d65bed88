from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatbot.bot import Chatbot
from chatbot.corpus import read_pairs
from chatbot.evaluation.figures import find_seen
from chatbot.evaluation.perplexity import measure_perplexity, score_pairs
from chatbot.storage.model_directory import ModelDirectory
from tests.small_corpora import encode
from tests.trainings import PAIRS, read_metrics, tiny_settings, train, write_pairs

UNSEEN = [("hello", "bye 再见 !"), ("bye", "fine you"), ("how are you ?", "hi there")]


def test_pairs_are_found_in_another_corpus(tmp_path: Path) -> None:
    learned, _, words = encode(write_pairs(tmp_path / "pairs.tsv"), tmp_path / "cache")
    mixed = [UNSEEN[0], PAIRS[4], UNSEEN[1], PAIRS[0], ("HELLO", "Hi  there"), ("hello", "hi")]
    other, _, _ = encode(
        write_pairs(tmp_path / "mixed.tsv", mixed), tmp_path / "cache", vocabulary=words
    )
    assert other.find_in(learned).tolist() == [False, True, False, True, True, False]
    assert learned.find_in(other).tolist() == [True, False, False, False, True, False, False]
    assert learned.find_in(learned).all()


def test_reports_have_the_evaluations_perplexities(tmp_path: Path) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    other = write_pairs(tmp_path / "mixed.tsv", [*UNSEEN, *PAIRS[2:]])
    settings = tiny_settings(corpus, validation_corpus=str(other), max_steps=2, batch_size=2)
    assert train(tmp_path / "model", **settings) == 0
    (report,) = read_metrics(tmp_path / "model")
    pairs = list(read_pairs(str(other), "tsv"))
    seen = find_seen(pairs, ModelDirectory(tmp_path / "model").pairs_path)
    assert seen is not None
    assert seen.tolist() == [False] * 3 + [True] * 5
    losses = score_pairs(Chatbot.load(str(tmp_path / "model")), pairs)
    for name, chosen in (("", np.ones_like(seen)), ("_unseen", ~seen)):
        expected = measure_perplexity(losses, chosen)["perplexity"]
        assert report[f"validation_perplexity{name}"] == pytest.approx(expected, rel=1e-5)


def test_unseen_pairs_decide_which_checkpoint_is_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    other = write_pairs(tmp_path / "mixed.tsv", [*UNSEEN, *PAIRS, *PAIRS])
    settings = tiny_settings(
        corpus, validation_corpus=str(other), max_steps=60, learning_rate=0.1, dropout=0.0
    )
    assert train(tmp_path / "model", **settings) == 0
    reports = read_metrics(tmp_path / "model")
    # The pairs that are learned from are soon memorised, which tells nothing of the others.
    everything = min(reports, key=lambda report: report["validation_perplexity"])
    unseen = min(reports, key=lambda report: report["validation_perplexity_unseen"])
    assert unseen["step"] < everything["step"]
    best = ModelDirectory(tmp_path / "model").best()
    assert best is not None
    assert best.step == unseen["step"]
    assert best.validation_perplexity == unseen["validation_perplexity_unseen"]
    said = capsys.readouterr().err
    assert (
        "14 of the 17 validation pairs (82.4%) occur in the training corpus too; the others" in said
    )


def test_patience_waits_for_unseen_pairs(tmp_path: Path) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    other = write_pairs(tmp_path / "mixed.tsv", [*UNSEEN, *PAIRS])
    settings = tiny_settings(
        corpus, validation_corpus=str(other), patience=2, max_steps=400, learning_rate=0.1
    )
    assert train(tmp_path / "model", **settings) == 0
    finished = ModelDirectory(tmp_path / "model").finished()
    assert finished is not None
    assert finished["reason"].endswith("perplexity in 2 reports of unseen pairs")
    unseen = [r["validation_perplexity_unseen"] for r in read_metrics(tmp_path / "model")]
    assert min(unseen) == unseen[-3]


def test_what_was_measured_of_other_pairs_is_forgotten(tmp_path: Path) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    other = write_pairs(tmp_path / "mixed.tsv", [*UNSEEN, *PAIRS])
    model = tmp_path / "model"
    settings = tiny_settings(corpus, validation_corpus=str(other), max_steps=3, patience=5)
    assert train(model, **settings) == 0
    index = json.loads((model / "checkpoints.json").read_text(encoding="utf-8"))
    for entry in index["checkpoints"]:  # as a version did that knew nothing of unseen pairs
        entry["validation_perplexity"] = entry["progress"]["best"] = 0.5
        entry["progress"]["waited"] = 4
        del entry["progress"]["best_of_unseen"]
    (model / "checkpoints.json").write_text(json.dumps(index), encoding="utf-8")
    assert train(model, max_steps=6) == 0
    measured = {r["step"]: r["validation_perplexity_unseen"] for r in read_metrics(model)}
    best = ModelDirectory(model).best()
    assert best is not None
    assert best.step > 3
    assert best.validation_perplexity == min(measured[step] for step in (4, 6))


@pytest.mark.parametrize("pairs", [UNSEEN, PAIRS[:3], [*PAIRS * 29, UNSEEN[0]]])
def test_where_all_or_next_to_none_are_unseen_there_is_one_figure(
    tmp_path: Path, pairs: Any
) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    other = write_pairs(tmp_path / "other.tsv", pairs)
    settings = tiny_settings(corpus, validation_corpus=str(other), max_steps=2)
    assert train(tmp_path / "model", **settings) == 0
    (report,) = read_metrics(tmp_path / "model")
    assert "validation_perplexity_unseen" not in report
    best = ModelDirectory(tmp_path / "model").best()
    assert best is not None
    assert best.validation_perplexity == report["validation_perplexity"]
