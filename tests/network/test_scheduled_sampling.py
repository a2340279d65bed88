from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.engines.choice import choose_engine
from chatbot.network.scheduled_sampling import mix_guesses, schedule
from chatbot.settings.config import TrainingConfig
from chatbot.text import GO
from chatbot.training.distribution import Distribution
from chatbot.training.step import make_dropout_seed, make_train_step
from tests.conftest import EACH_ENGINE, QUERIES, REPLIES, Pairs, make_model
from tests.network.test_dropout import SEED
from tests.oracles import Network, log_softmax
from tests.trainings import Descent, take_step

IDS = tf.concat([tf.fill([300, 1], GO), tf.fill([300, 20], 7)], axis=1)


def guess(ids: Any) -> Any:
    """Numbers the places."""
    return tf.fill([len(ids), 1], 100) + tf.range(ids.shape[1])


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_a_share_of_the_words_becomes_the_guesses_at_the_places_before(probability: float) -> None:
    mixed = mix_guesses(IDS, guess, tf.constant(probability), SEED).numpy()
    assert np.all(mixed[:, 0] == GO)
    guessed = mixed[:, 1:] != 7
    expected = np.broadcast_to(100 + np.arange(20), guessed.shape)
    np.testing.assert_array_equal(mixed[:, 1:][guessed], expected[guessed])
    assert np.mean(guessed) == pytest.approx(probability, abs=0.03)  # five deviations
    np.testing.assert_array_equal(mixed, mix_guesses(IDS, guess, tf.constant(probability), SEED))


@EACH_ENGINE
def test_at_probability_one_all_words_are_those_likeliest_under_the_true_ones(
    pairs: Pairs, engine: str
) -> None:
    undropped = make_model("luong", dropout=0.0)
    undropped.engine = choose_engine(engine)
    network = Network(undropped)
    losses = undropped.token_log_losses(*pairs, SEED, sampling=tf.constant(1.0))
    rows = []
    for query, reply in zip(QUERIES, REPLIES):
        guesses = network.decode(query, reply)[1].argmax(axis=1).tolist()
        logits = network.decode(query, guesses)[1]
        rows.append(-log_softmax(logits)[np.arange(len(reply)), list(reply)])
    np.testing.assert_allclose(losses, np.concatenate(rows), atol=5e-5)
    assert np.abs(losses - undropped.token_log_losses(*pairs)).max() > 0.1
    measured = undropped.token_log_losses(*pairs, None, sampling=tf.constant(1.0))
    np.testing.assert_array_equal(measured, undropped.token_log_losses(*pairs))


def test_probability_grows_linearly() -> None:
    grown = [float(schedule(0.5, tf.constant(step), 10)) for step in (0, 4, 10)]
    assert grown == pytest.approx([0.0, 0.2, 0.5])


@pytest.mark.usefixtures("eagerly")
def test_a_training_step_samples_as_the_schedule_says(pairs: Pairs) -> None:
    model = make_model("luong")
    config = TrainingConfig(sampling_probability=1.0, seed=4)
    descent = Descent(model.trainable_variables)
    step = make_train_step(model, descent, config, Distribution(), total_steps=10)
    for number, probability in ((0, 0.0), (6, 0.6)):
        loss, _ = take_step(step, pairs, number, rate=0.0)
        seed = make_dropout_seed(4, tf.constant(number), 0)
        expected = model.token_log_losses(*pairs, seed, sampling=tf.constant(probability))
        assert loss == pytest.approx(float(tf.reduce_mean(expected)), rel=1e-5)
        plain = model.loss(*pairs, seed)
        assert (loss == pytest.approx(float(plain), rel=1e-5)) == (number == 0)
