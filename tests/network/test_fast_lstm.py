from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.network.fast_layer import run_layer
from chatbot.network.variables import LayerWeights
from tests.conftest import B, E, S, U

LENGTHS = [5, 1, 3]


def make_variables() -> list[tf.Tensor]:
    generator = np.random.default_rng(8)
    shapes = [S, B, E], [E, 4 * U], [U, 4 * U], [4 * U]
    return [tf.constant(generator.normal(size=shape), tf.float32) for shape in shapes]


def differentiate(run: Any, variables: list[tf.Tensor]) -> tuple[list[Any], list[Any]]:
    """Results on real steps, and gradients of their sum with weights that are all different."""
    real = tf.transpose(tf.sequence_mask(LENGTHS, S, tf.float32))[:, :, tf.newaxis]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        hiddens, *state = run(*variables)
        results = [hiddens * real, *state]
        weights = [np.random.default_rng(3).normal(size=x.shape) for x in results]
        total = tf.add_n([tf.reduce_sum(x * w) for x, w in zip(results, weights)])
    return [x.numpy() for x in results], [x.numpy() for x in tape.gradient(total, variables)]


def run_keras(inputs: Any, kernel: Any, recurrent: Any, bias: Any) -> list[tf.Tensor]:
    """Keras' cell in a plain loop, standing still on padding."""
    cell = tf.keras.layers.LSTMCell(U)
    cell.build([B, E])
    cell.kernel, cell.recurrent_kernel, cell.bias = kernel, recurrent, bias
    hiddens, state = [], [tf.zeros([B, U]), tf.zeros([B, U])]
    for time in range(S):
        _, following = cell(inputs[time], state)
        real = np.array(LENGTHS)[:, np.newaxis] > time
        state = [tf.where(real, new, old) for new, old in zip(following, state)]
        hiddens.append(state[0])
    return [tf.stack(hiddens), *state]


def run_own(inputs: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
    weights = LayerWeights("lstm", kernel, recurrent, bias, gain=None)
    return run_layer(inputs, tf.constant(LENGTHS), weights)


@pytest.mark.needs_addons  # which has a Keras whose cell takes any weights
@pytest.mark.parametrize("graph", [False, True])
def test_lstm_and_its_gradients_equal_those_of_keras_cell(graph: bool) -> None:
    run = tf.function(run_own, autograph=False) if graph else run_own
    results, gradients = differentiate(run, make_variables())
    expected, expected_gradients = differentiate(run_keras, make_variables())
    for mine, other in zip(results + gradients, expected + expected_gradients):
        assert np.abs(other).max() > 0.1
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=2e-6)


def test_values_on_padding_change_nothing() -> None:
    inputs, *weights = make_variables()
    real = np.arange(S)[:, np.newaxis, np.newaxis] < np.array(LENGTHS)[:, np.newaxis]
    found = [differentiate(run_own, [tf.where(real, inputs, x), *weights]) for x in (0.0, 1e30)]
    (results, gradients), (others, other_gradients) = found
    for mine, other in zip(results + gradients, others + other_gradients):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)
    assert np.all(gradients[0][np.broadcast_to(~real, inputs.shape)] == 0)
