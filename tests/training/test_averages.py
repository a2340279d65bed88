from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatbot.bot import Chatbot
from chatbot.evaluation.scoring import Scorer
from chatbot.settings.config import TrainingConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import EOS
from chatbot.training.adam import Adam
from chatbot.training.averages import Averages, make_averages
from chatbot.training.distribution import Distribution
from chatbot.training.step import make_train_step
from tests.conftest import Pairs, make_model
from tests.helpers_chat import take_model
from tests.oracles import list_variables
from tests.trainings import (
    PAIRS,
    assert_same_weights,
    read_metrics,
    read_weights,
    stop_after_step,
    take_step,
    tiny_settings,
    train,
    write_pairs,
)

EVERYTHING = {
    "tie_embeddings": True,
    "output_dropout": 0.2,
    "variational_dropout": True,
    "label_smoothing": 0.1,
    "weight_decay": 0.1,
    "average_decay": 0.7,
}


def read(variables: Any) -> list[Any]:
    return [variable.numpy().astype(np.float64) for variable in variables]


@pytest.mark.usefixtures("eagerly")
def test_averages_follow_the_weights_by_the_stated_formula(pairs: Pairs) -> None:
    model = make_model("bahdanau")
    averages = Averages(model, decay=0.73)
    expected = read(list_variables(model))
    for mine, start in zip(read(list_variables(averages.model)), expected):
        np.testing.assert_array_equal(mine, start)
    optimizer = Adam(model.trainable_variables)
    step = make_train_step(model, optimizer, TrainingConfig(), Distribution(), averages)
    # The weights up to the fourth step, then of every fourth: 3 / 12 < 0.73 ** 4 < 4 / 13.
    decays = {1: 0.0, 2: 0.0, 3: 0.0, 4: 0.0, 8: 3 / 12, 12: 0.73**4}
    for count in range(1, 14):
        take_step(step, pairs, count, 0.1)
        weights = read(list_variables(model))
        kept = decays.get(count, 1.0)
        expected = [kept * m + (1 - kept) * w for m, w in zip(expected, weights)]
        for mine, average, weight in zip(read(list_variables(averages.model)), expected, weights):
            if count <= 4:
                np.testing.assert_array_equal(mine, weight)
            else:
                np.testing.assert_allclose(mine, average, rtol=1e-4, atol=1e-5)
                assert np.abs(mine - weight).max() > 1e-3


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_step_whose_numbers_are_bad_moves_neither_averages_nor_weights(
    pairs: Pairs, precision: str
) -> None:
    model = make_model("luong")
    averages = Averages(model, decay=0.5)
    optimizer = Adam(model.trainable_variables, scale_losses=precision == "float16")
    config = TrainingConfig(weight_decay=0.1)
    step = make_train_step(model, optimizer, config, Distribution(), averages)
    for count in range(4):  # so that the averages have just moved, and would again
        take_step(step, pairs, count, 0.1)
    before = read([*averages.model.variables, *model.variables])
    bias = model.projection.bias
    whole = bias.numpy()
    bias.assign(np.where(np.arange(len(whole)) == EOS, np.nan, 0.0))
    _, norm = take_step(step, pairs, 4, 0.1)
    bias.assign(whole)
    assert not np.isfinite(norm)
    for mine, expected in zip(read([*averages.model.variables, *model.variables]), before):
        np.testing.assert_array_equal(mine, expected)


def test_no_decay_means_no_averages() -> None:
    assert make_averages(make_model("none"), 0.0) is None


@pytest.mark.parametrize(
    "precision", ["float32", pytest.param("bfloat16", marks=pytest.mark.needs_bfloat16)]
)
def test_everything_at_once_stopped_and_gone_on_with_is_uninterrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    settings = tiny_settings(
        corpus, validation_corpus=str(corpus), max_steps=8, precision=precision, **EVERYTHING
    )
    assert train(tmp_path / "whole", **settings) == 0
    with monkeypatch.context() as patch:
        stop_after_step(patch, 5)
        assert train(tmp_path / "parts", **settings) == 0
    assert train(tmp_path / "parts") == 0
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    assert read_metrics(tmp_path / "parts") == read_metrics(tmp_path / "whole")


def test_validation_and_chat_have_the_averages_and_training_goes_on_without(
    tmp_path: Path,
) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    settings = tiny_settings(
        corpus, validation_corpus=str(corpus), max_steps=8, dropout=0.0, embedding_dropout=0.0
    )
    for name, decay in (("plain", 0.0), ("averaged", 0.9)):
        assert train(tmp_path / name, **{**settings, "average_decay": decay}) == 0
    plain, averaged = (read_weights(tmp_path / name) for name in ("plain", "averaged"))
    averages = {k.partition("/")[2]: averaged.pop(k) for k in [*averaged] if k[:9] == "averages/"}
    assert plain.keys() == averaged.keys()
    for key in plain:
        np.testing.assert_array_equal(averaged[key], plain[key], err_msg=key)
    bot = Chatbot.load(tmp_path / "averaged", engine="own")
    newest = ModelDirectory(tmp_path / "averaged").newest()
    assert newest == ModelDirectory(tmp_path / "averaged").best()
    moved = 0.0
    for key, value in averages.items():
        trained = plain[f"model/{key}"]
        moved = max(moved, np.abs(value - trained).max())
    assert moved > 1e-3
    embedding = averages["embedding/.ATTRIBUTES/VARIABLE_VALUE"]
    np.testing.assert_array_equal(take_model(bot).embedding, embedding)
    scores = Scorer(bot).score(PAIRS)
    loss = -sum(score.log_prob for score in scores) / sum(score.tokens for score in scores)
    reported, of_weights = (
        {
            report["step"]: report["validation_perplexity"]
            for report in read_metrics(tmp_path / name)
        }
        for name in ("averaged", "plain")
    )
    assert math.exp(loss) == pytest.approx(reported[8], rel=1e-5)
    assert reported[8] != pytest.approx(of_weights[8], rel=1e-3)
    for step in (2, 3, 4):  # the first weights are in no average
        assert reported[step] == of_weights[step]
