from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.network.losses import project_losses
from chatbot.settings.config import TrainingConfig
from chatbot.text import EOS
from chatbot.training.distribution import Distribution
from chatbot.training.frequency import weigh_words
from chatbot.training.step import make_train_step
from tests.conftest import QUERIES, make_model, make_pairs
from tests.oracles import list_variables, softmax
from tests.trainings import (
    Descent,
    assert_same_weights,
    stop_after_step,
    take_step,
    tiny_settings,
    train,
    write_pairs,
)

COUNTS = np.array([0, 0, 90, 5, 0, 20, 40, 10])


def test_weights_fall_with_the_count_and_their_mean_over_the_words_is_one() -> None:
    for strength in (0.0, 0.3, 1.0):
        weights = weigh_words(COUNTS, strength)
        assert weights.dtype == np.float32
        assert weights[EOS] == 1.0
        assert np.average(weights, weights=COUNTS) == pytest.approx(1.0)
        plain = 1 - strength * np.delete(COUNTS, EOS) / 40
        others = np.delete(weights, EOS)
        np.testing.assert_allclose(others / others[0], plain, atol=1e-6)
    assert weigh_words(COUNTS, 1.0)[6] == 0.0
    assert weigh_words(COUNTS, 0.0).tolist() == [1.0] * 8


@pytest.mark.parametrize("counts", [[0, 0, 3, 0, 0, 7], [0, 0, 3, 0, 0, 0]])
def test_words_that_would_all_weigh_nothing_weigh_the_same(counts: list[int]) -> None:
    assert weigh_words(np.array(counts), 1.0).tolist() == [1.0] * 6


@pytest.mark.parametrize(("dtype", "tolerance"), [(tf.float32, 1e-5), (tf.bfloat16, 0.03)])
def test_gradients_of_the_weighted_loss_are_the_formulas(dtype: Any, tolerance: float) -> None:
    generator = np.random.default_rng(3)
    outputs, kernel, bias = (
        tf.cast(generator.normal(0.0, 0.5, shape), dtype) for shape in ([9, 6], [6, 8], [8])
    )
    bias = tf.cast(bias, tf.float32)
    targets = np.array([5, 6, 6, EOS, 3, 5, 7, 6, EOS])
    weights = weigh_words(COUNTS, 0.9)[targets]
    with tf.GradientTape() as tape:
        tape.watch([outputs, kernel, bias])
        losses = project_losses(outputs, kernel, bias, tf.constant(targets, tf.int32))
        loss = tf.reduce_sum(losses * weights)
    found = tape.gradient(loss, [outputs, kernel, bias])
    h, w, b = (tf.cast(x, tf.float64).numpy() for x in (outputs, kernel, bias))
    p = softmax(h @ w + b)
    expected_losses = -np.log(p[np.arange(9), targets])
    np.testing.assert_allclose(losses, expected_losses, atol=tolerance)
    errors = (p - np.eye(8)[targets]) * weights[:, np.newaxis]
    for mine, expected in zip(found, (errors @ w.T, h.T @ errors, errors.sum(axis=0))):
        mine = tf.cast(mine, tf.float64).numpy()
        assert np.linalg.norm(mine - expected) < tolerance * np.linalg.norm(expected)


@pytest.mark.usefixtures("eagerly")
def test_a_step_learns_the_weighted_loss_and_reports_the_plain_one() -> None:
    model = make_model("luong", dropout=0.0)
    batch = make_pairs(QUERIES, [(5, 5, 5, EOS), (5, 9, EOS), (9, 5, 6, EOS)])
    weights = weigh_words(np.array([0, 0, 3, 0, 0, 5, 1, 0, 0, 2, 0]), 0.8)
    targets = [5, 5, 5, EOS, 5, 9, EOS, 9, 5, 6, EOS]
    variables = list_variables(model)
    with tf.GradientTape() as tape:
        losses = model.token_log_losses(*batch)
        loss = tf.reduce_sum(losses * weights[targets]) / len(targets)
    gradients = tape.gradient(loss, variables)
    before = [variable.numpy() for variable in variables]
    config = TrainingConfig(max_gradient_norm=1e9)
    optimizer = Descent(model.trainable_variables)
    step = make_train_step(model, optimizer, config, Distribution(), None, weights)
    reported, _ = take_step(step, batch, 0, 1.0)
    assert reported == pytest.approx(float(tf.reduce_mean(losses)), rel=1e-6)
    assert reported != pytest.approx(float(loss), rel=1e-2)
    for old, variable, gradient in zip(before, variables, gradients):
        expected = old - tf.convert_to_tensor(gradient).numpy()
        np.testing.assert_allclose(variable.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    "precision", ["float32", pytest.param("bfloat16", marks=pytest.mark.needs_bfloat16)]
)
def test_a_training_with_both_levers_stopped_and_gone_on_with_is_uninterrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    pairs = [(f"query {n}", "yes .") for n in range(4)]
    pairs += [(f"who is {n}", f"it is {n} .") for n in range(6)]
    corpus = write_pairs(tmp_path / "pairs.tsv", pairs)
    settings = tiny_settings(
        corpus, frequency_loss=0.9, filter_entropy=1.5, max_steps=5, precision=precision
    )
    assert train(tmp_path / "whole", **settings) == 0
    with monkeypatch.context() as patched:
        stop_after_step(patched, 3)
        train(tmp_path / "stopped", **settings)
    assert train(tmp_path / "stopped") == 0
    assert_same_weights(tmp_path / "whole", tmp_path / "stopped")
    assert train(tmp_path / "plain", **{**settings, "frequency_loss": 0.0}) == 0
    with pytest.raises(AssertionError):
        assert_same_weights(tmp_path / "whole", tmp_path / "plain")
