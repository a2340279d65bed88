"""Our Adam: the formula, Keras' bits, Keras' checkpoints, float16's scale, replicas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.training.adam import Adam

SHAPES = ((7, 5), (5,), (30, 3))
STEPS = 12
generator = np.random.default_rng(3)
FIRST = [generator.normal(size=shape).astype(np.float32) for shape in SHAPES]
GRADIENTS = [
    [generator.normal(size=shape).astype(np.float32) for shape in SHAPES] for _ in range(STEPS)
]
RATES = [0.01 / (1 + step) for step in range(STEPS)]


class Weights(tf.Module):
    """Trained variables, and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.trained = [tf.Variable(value) for value in FIRST]
        self.other = tf.Variable(1.0)


def make(scale_losses: bool = False) -> tuple[Weights, Adam, tf.train.Checkpoint]:
    weights = Weights()
    adam = Adam(weights.trained, scale_losses)
    return weights, adam, tf.train.Checkpoint(model=weights, optimizer=adam)


def make_keras(scale_losses: bool = False) -> tuple[Weights, Any, tf.train.Checkpoint]:
    weights, inner = Weights(), tf.keras.optimizers.legacy.Adam(epsilon=1e-8)
    _ = inner.iterations
    inner._create_all_weights(weights.trained)
    made = tf.keras.mixed_precision.LossScaleOptimizer(inner) if scale_losses else inner
    return weights, made, tf.train.Checkpoint(model=weights, optimizer=made)


def run_keras(weights: Weights, optimizer: Any, steps: range) -> None:
    for step in steps:
        optimizer.learning_rate.assign(RATES[step])
        optimizer.apply_gradients(zip(map(tf.constant, GRADIENTS[step]), weights.trained))


def run(adam: Adam, steps: range, strategy: Any = None) -> None:
    strategy = strategy or tf.distribute.get_strategy()

    @tf.function(autograph=False)
    def take(rate: tf.Tensor, *gradients: tf.Tensor) -> None:
        adam.learning_rate.assign(rate)
        adam.apply(strategy, strategy.run(lambda *x: [tf.identity(y) for y in x], gradients))

    for step in steps:
        take(tf.constant(RATES[step]), *map(tf.constant, GRADIENTS[step]))


def assert_equal(one: Weights, other: Weights) -> None:
    for mine, theirs in zip(one.trained, other.trained):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_the_formula() -> None:
    weights, adam, _ = make()
    run(adam, range(STEPS))
    for number, value in enumerate(FIRST):
        w = value.astype(np.float64)
        m = v = np.zeros_like(w)
        for step in range(STEPS):
            g = GRADIENTS[step][number]
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            rate = RATES[step] * np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
            w = w - rate * m / (np.sqrt(v) + 1e-8)
        np.testing.assert_allclose(weights.trained[number].numpy(), w, atol=2e-6)
    assert int(adam.iter.numpy()) == STEPS


@pytest.mark.needs_addons  # which has a Keras that has this optimizer
def test_bits_are_those_of_keras() -> None:
    weights, adam, _ = make()
    expected, optimizer, _ = make_keras()
    run(adam, range(STEPS))
    run_keras(expected, optimizer, range(STEPS))
    assert_equal(weights, expected)


@pytest.mark.needs_addons
@pytest.mark.parametrize("scale_losses", [False, True])
def test_checkpoints_of_keras_and_ours_load_into_one_another(
    scale_losses: bool, tmp_path: Path
) -> None:
    _, adam, saved = make(scale_losses)
    expected, optimizer, keras_saved = make_keras(scale_losses)
    run_keras(expected, optimizer, range(5))
    status = saved.read(keras_saved.write(str(tmp_path / "keras")))
    status.assert_existing_objects_matched().assert_consumed()
    run(adam, range(5, 8))
    status = keras_saved.read(saved.write(str(tmp_path / "ours")))
    status.assert_existing_objects_matched().assert_consumed()
    run_keras(expected, optimizer, range(8, STEPS))
    whole, again, _ = make()
    run(again, range(STEPS))
    assert_equal(expected, whole)
    assert int(optimizer.iterations.numpy()) == STEPS


def test_replicas_are_all_updated() -> None:
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        weights, adam, _ = make()
    run(adam, range(STEPS), strategy)
    expected, other, _ = make()
    run(other, range(STEPS))
    assert_equal(weights, expected)
    assert int(adam.iter.numpy()) == STEPS


def test_only_trained_variables_have_slots() -> None:
    weights, adam, _ = make()
    assert adam.get_slot(weights.trained[1], "v").shape == SHAPES[1]
    with pytest.raises(KeyError):
        adam.get_slot(weights.other, "m")


def test_float16_halves_at_once_and_doubles_after_2000_good_steps() -> None:
    _, adam, _ = make(scale_losses=True)
    scale = adam.loss_scale
    assert scale is not None
    assert float(adam.scale(tf.constant(2.0))) == 2.0**16
    assert float(adam.unscale([tf.constant(2.0**15)])[0]) == 1.0
    scale.good_steps.assign(1_999)
    run(adam, range(1))
    assert (float(scale.current_loss_scale), int(scale.good_steps)) == (2.0**16, 0)
    run(adam, range(1))
    adam.pass_over()
    assert (float(scale.current_loss_scale), int(scale.good_steps)) == (2.0**15, 0)
    assert int(adam.iter.numpy()) == 3
    scale.current_loss_scale.assign(1.0)
    adam.pass_over()
    assert float(scale.current_loss_scale) == 1.0
    scale.current_loss_scale.assign(2.0**127)
    scale.good_steps.assign(1_999)
    scale.note(finite=True)
    assert (float(scale.current_loss_scale), int(scale.good_steps)) == (2.0**127, 0)


def test_without_float16_nothing_is_scaled() -> None:
    _, adam, _ = make()
    loss = tf.constant(3.0)
    assert adam.scale(loss) is loss
    adam.pass_over()
    assert int(adam.iter.numpy()) == 0
