"""What training does besides following the gradient: label smoothing and weight decay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.engines.choice import choose_engine
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import TrainingConfig
from chatbot.training.distribution import Distribution
from chatbot.training.step import make_train_step
from tests.conftest import EACH_ENGINE, Pairs, make_model
from tests.oracles import list_variables
from tests.trainings import Descent, take_step


@EACH_ENGINE
def test_label_smoothing_changes_the_gradient_and_not_the_loss(engine: str, pairs: Pairs) -> None:
    model = make_model("luong")
    model.engine = choose_engine(engine)
    losses, gradients = [], []
    for smoothing in (0.0, 0.5, 0.25):
        with tf.GradientTape() as tape:
            loss = model.loss(*pairs, None, smoothing)
        losses.append(float(loss))
        gradients.append(tape.gradient(loss, model.projection.kernel).numpy())
    assert losses == [losses[0]] * 3
    assert np.abs(gradients[1] - gradients[0]).max() > 1e-2
    # It is linear in the smoothing.
    np.testing.assert_allclose(gradients[2], (gradients[0] + gradients[1]) / 2, atol=1e-5)


def descend(model: Seq2Seq, pairs: Pairs, weight_decay: float, rate: float) -> list[Any]:
    """Returns the weights after a step of plain descent, and puts the old ones back."""
    variables = list_variables(model)
    before = [variable.numpy() for variable in variables]
    descent = Descent(model.trainable_variables)
    config = TrainingConfig(weight_decay=weight_decay, max_gradient_norm=1e9, seed=4)
    take_step(make_train_step(model, descent, config, Distribution()), pairs, 6, rate)
    after = [variable.numpy() for variable in variables]
    for variable, old in zip(variables, before):
        variable.assign(old)
    return after


@pytest.mark.usefixtures("eagerly")
def test_weight_decay_shrinks_matrices_by_its_share_of_the_rate_and_spares_vectors(
    pairs: Pairs,
) -> None:
    model = make_model("bahdanau")
    before = [variable.numpy() for variable in list_variables(model)]
    decayed, plain = (descend(model, pairs, decay, rate=0.5) for decay in (0.4, 0.0))
    assert {old.ndim for old in before} == {1, 2}
    for old, with_decay, without in zip(before, decayed, plain):
        expected = without - (0.5 * 0.4 * old if old.ndim == 2 else 0.0)
        np.testing.assert_allclose(with_decay, expected, rtol=1e-4, atol=1e-5)
