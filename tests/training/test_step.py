from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.errors import ChatbotError
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import Config, TrainingConfig
from chatbot.text import EOS
from chatbot.training.adam import Adam
from chatbot.training.distribution import Distribution
from chatbot.training.step import make_train_step
from tests.conftest import QUERIES, Pairs, V, make_config, make_model, make_pairs, randomise
from tests.oracles import list_variables
from tests.trainings import Descent, take_step

pytestmark = pytest.mark.usefixtures("eagerly")  # every training runs it traced
UNCLIPPED = 1e9


@pytest.fixture(scope="module")
def changing() -> Seq2Seq:
    return make_model("bahdanau", dropout=0.5)


@pytest.fixture
def repeating() -> Pairs:
    """A batch in which words occur again and again, on both sides."""
    return make_pairs(QUERIES, [(5, 5, 5, EOS), (5, 9, EOS), (9, 5, 6, EOS)])


def descend(
    model: Seq2Seq, pairs: Pairs, max_gradient_norm: float, scaled: bool = False, **settings: Any
) -> tuple[list[Any], float, float]:
    """Returns the gradients that plain descent at rate 1 applied, the loss and the norm."""
    variables = list_variables(model)
    before = [variable.numpy() for variable in variables]
    optimizer = Descent(model.trainable_variables, scale_losses=scaled)
    config = TrainingConfig(max_gradient_norm=max_gradient_norm, seed=4, **settings)
    step = make_train_step(model, optimizer, config, Distribution())
    loss, norm = take_step(step, pairs, 6, 1.0)
    applied = [old - variable.numpy() for old, variable in zip(before, variables)]
    for variable, old in zip(variables, before):
        variable.assign(old)
    return applied, loss, norm


def compute_gradients(model: Seq2Seq, pairs: Pairs) -> tuple[list[Any], float]:
    with tf.GradientTape() as tape:
        loss = model.loss(*pairs, tf.constant([4, 6]))
    return tape.gradient(loss, list_variables(model)), float(loss)


def test_step_applies_the_gradients_of_its_own_dropout(changing: Seq2Seq, repeating: Pairs) -> None:
    gradients, expected_loss = compute_gradients(changing, repeating)
    applied, loss, _ = descend(changing, repeating, UNCLIPPED)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    for mine, expected in zip(applied, gradients):
        np.testing.assert_allclose(mine, tf.convert_to_tensor(expected), rtol=1e-3, atol=1e-6)


def test_norm_adds_the_rows_of_words_that_occur_twice(changing: Seq2Seq, repeating: Pairs) -> None:
    gradients, _ = compute_gradients(changing, repeating)
    assert isinstance(gradients[0], tf.IndexedSlices)
    dense = [np.asarray(tf.convert_to_tensor(x), np.float64) for x in gradients]
    expected = np.sqrt(sum(np.sum(x**2) for x in dense))
    unadded = np.sqrt(
        np.sum(gradients[0].values.numpy() ** 2) + sum(np.sum(x**2) for x in dense[1:])
    )
    assert abs(unadded / expected - 1) > 1e-3  # so that the test can tell the two apart
    _, _, norm = descend(changing, repeating, UNCLIPPED)
    assert norm == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "loss scaling"])
def test_clipped_gradients_keep_their_direction_and_have_the_greatest_norm(
    changing: Seq2Seq, repeating: Pairs, scaled: bool
) -> None:
    unclipped, loss, norm = descend(changing, repeating, UNCLIPPED)
    greatest = norm / 4
    clipped, same_loss, same_norm = descend(changing, repeating, greatest, scaled)
    assert same_loss == pytest.approx(loss, rel=1e-6)
    assert same_norm == pytest.approx(norm, rel=1e-4)  # what is reported is the norm before
    for mine, whole in zip(clipped, unclipped):
        np.testing.assert_allclose(mine, whole / 4, rtol=1e-3, atol=1e-6)
    assert np.sqrt(sum(np.sum(x**2) for x in clipped)) == pytest.approx(greatest, rel=1e-3)


def test_step_whose_numbers_are_bad_changes_nothing(changing: Seq2Seq, repeating: Pairs) -> None:
    bias = changing.projection.bias
    before = bias.numpy()
    bias.assign(np.where(np.arange(len(before)) == EOS, np.nan, 0.0))
    applied, loss, norm = descend(changing, repeating, UNCLIPPED)
    bias.assign(before)
    assert not np.isfinite(loss)
    assert not np.isfinite(norm)
    assert all(np.all(np.nan_to_num(moved) == 0) for moved in applied)


def test_first_step_of_adam_by_hand() -> None:
    # At its first step Adam moves every weight by the learning rate, against the gradient's sign.
    variable = tf.Variable([1.0, 2.0, 3.0])
    optimizer, strategy = Adam([variable]), tf.distribute.get_strategy()
    optimizer.learning_rate.assign(0.25)
    optimizer.apply(strategy, [tf.constant([10.0, -0.1, 0.0])])
    np.testing.assert_allclose(variable, [0.75, 2.25, 3.0], rtol=1e-5)
    optimizer.apply(strategy, [tf.constant([10.0, 0.1, 0.0])])
    # Moments 0.1 g1 * 0.9 + 0.1 g2 over 1 - 0.9^2, and likewise with 0.999.
    first = (0.9 * 0.1 * -0.1 + 0.1 * 0.1) / (1 - 0.81)
    second = (0.999 * 0.001 * 0.01 + 0.001 * 0.01) / (1 - 0.999**2)
    moved = 2.25 - 0.25 * first / np.sqrt(second)
    np.testing.assert_allclose(variable, [0.5, moved, 3.0], rtol=1e-5)


def test_a_step_learns_from_looking_twice_and_reports_the_plain_loss(repeating: Pairs) -> None:
    model = Seq2Seq(make_config("coverage"), V)
    randomise(list_variables(model), 5)
    plain, loss, _ = descend(model, repeating, UNCLIPPED)
    applied, same, _ = descend(model, repeating, UNCLIPPED, coverage_loss=2.0)
    assert same == pytest.approx(loss, rel=1e-6)
    with tf.GradientTape() as tape:
        losses = model.token_log_losses(*repeating, tf.constant([4, 6]), coverage_loss=2.0)
        mean = tf.reduce_mean(losses)
    for mine, expected in zip(applied, tape.gradient(mean, list_variables(model))):
        np.testing.assert_allclose(mine, tf.convert_to_tensor(expected), rtol=1e-3, atol=1e-6)
    assert max(np.abs(mine - other).max() for mine, other in zip(applied, plain)) > 1e-3


def test_the_loss_for_looking_twice_needs_what_remembers() -> None:
    said = "^--coverage_loss needs --attention=coverage; give both or neither$"
    for changes in ({}, {"attention": "coverage", "use_attention": False}):
        with pytest.raises(ChatbotError, match=said):
            Config().replace({"coverage_loss": 1.0, **changes}).check_together()
    Config().replace({"coverage_loss": 1.0, "attention": "coverage"}).check_together()
