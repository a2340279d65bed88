from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.network.rnn import LSTMCellStack, LSTMEncoderStack, draw_mask
from tests.conftest import E, L, S, U, randomise
from tests.oracles import lstm_step, run_lstm

LENGTHS = [5, 2, 3]
SEED = tf.constant([3, 14])


def make_inputs() -> Any:
    return np.random.default_rng(8).normal(size=[len(LENGTHS), S, E]).astype(np.float32)


def read_weights(layers: Any) -> list[Any]:
    return [[weight.astype(np.float64) for weight in layer.get_weights()] for layer in layers]


@pytest.fixture(scope="module")
def stack() -> LSTMEncoderStack:
    stack = LSTMEncoderStack(U, L, dropout=0.5)
    stack(make_inputs(), tf.constant(LENGTHS))
    randomise(stack.trainable_variables, seed=1)
    return stack


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("fast", [False, True])
def test_stack_equals_layers_run_by_hand_on_each_row_alone(
    stack: LSTMEncoderStack, graph: bool, fast: bool
) -> None:
    stack.fast = fast
    call = tf.function(stack, autograph=False) if graph else stack
    outputs, states = call(make_inputs(), tf.constant(LENGTHS))
    assert len(states) == L
    for row, length in enumerate(LENGTHS):
        expected = make_inputs()[row, :length].astype(np.float64)
        for weights, (hidden, carry) in zip(read_weights(stack.layers), states):
            expected, (last_hidden, last_carry) = run_lstm(weights, expected)
            np.testing.assert_allclose(hidden[row], last_hidden, atol=1e-6)
            np.testing.assert_allclose(carry[row], last_carry, atol=1e-6)
        np.testing.assert_allclose(outputs[row, :length], expected, atol=1e-6)


@pytest.mark.parametrize("fast", [False, True])
def test_stack_outputs_are_zero_on_padding(stack: LSTMEncoderStack, fast: bool) -> None:
    stack.fast = fast
    outputs, _ = stack(make_inputs(), tf.constant(LENGTHS))
    for row, length in enumerate(LENGTHS):
        assert np.all(outputs[row, length:] == 0)
        assert np.all(outputs[row, :length] != 0)


@pytest.mark.parametrize("fast", [False, True])
def test_stack_drops_every_layers_output_by_a_mask_of_its_own(
    stack: LSTMEncoderStack, fast: bool
) -> None:
    stack.fast = fast
    outputs, states = stack(make_inputs(), tf.constant(LENGTHS), SEED)
    masks = [draw_mask(SEED, layer, [3, S, U], 0.5, tf.float32).numpy() for layer in range(L)]
    assert np.any(masks[0] != masks[1])
    for row, length in enumerate(LENGTHS):
        expected = make_inputs()[row, :length].astype(np.float64)
        for layer, weights in enumerate(read_weights(stack.layers)):
            expected, (last_hidden, _) = run_lstm(weights, expected)
            expected = expected * masks[layer][row, :length]
            np.testing.assert_allclose(states[layer][0][row], last_hidden, atol=1e-6)
        np.testing.assert_allclose(outputs[row, :length], expected, atol=1e-6)


def test_cells_equal_one_step_by_hand_with_and_without_masks() -> None:
    cells = LSTMCellStack(U, L, E)
    generator = np.random.default_rng(2)
    inputs = generator.normal(size=[3, E]).astype(np.float32)
    masks = generator.integers(0, 2, [3, L, U]).astype(np.float32) * 2
    states = tuple(
        tf.unstack(tf.constant(generator.normal(size=[2, 3, U]), tf.float32)) for _ in range(L)
    )
    cells(inputs, states)
    randomise(cells.trainable_variables, seed=3)
    assert cells.output_size == U
    assert cells.state_size == ([U, U], [U, U])
    for used in (None, masks):
        x = inputs if used is None else np.concatenate([inputs, used.reshape(3, L * U)], axis=1)
        outputs, next_states = cells(x, states)
        expected = inputs.astype(np.float64)
        for layer, weights in enumerate(read_weights(cells.cells)):
            expected, carry = lstm_step(weights, expected, *states[layer])
            np.testing.assert_allclose(next_states[layer][0], expected, atol=1e-6)
            np.testing.assert_allclose(next_states[layer][1], carry, atol=1e-6)
            expected = expected if used is None else expected * used[:, layer]
        np.testing.assert_allclose(outputs, expected, atol=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_mask_drops_the_given_fraction_and_scales_the_rest(rate: float) -> None:
    mask = draw_mask(SEED, 0, [200, 500], rate, tf.float32).numpy()
    np.testing.assert_allclose(np.unique(mask), [0, 1 / (1 - rate)], rtol=1e-6)
    # Six standard deviations of 100,000 draws, and of each row's and column's mean.
    deviation = np.sqrt(rate * (1 - rate))
    assert abs(np.mean(mask == 0) - rate) < 6 * deviation / np.sqrt(100_000)
    assert np.all(np.abs(np.mean(mask == 0, axis=1) - rate) < 6 * deviation / np.sqrt(500))
    assert np.all(np.abs(np.mean(mask == 0, axis=0) - rate) < 6 * deviation / np.sqrt(200))


def test_mask_keeps_everything_at_rate_zero() -> None:
    assert np.all(draw_mask(SEED, 0, [4, 100], 0.0, tf.float32) == 1)


def test_mask_depends_on_its_arguments_alone() -> None:
    first = draw_mask(SEED, 7, [30, 40], 0.5, tf.float32).numpy()
    tf.random.set_seed(99)
    tf.random.uniform([3])
    np.testing.assert_array_equal(first, draw_mask(SEED, 7, [30, 40], 0.5, tf.float32))
    graph = tf.function(lambda seed: draw_mask(seed, 7, [30, 40], 0.5, tf.float32))
    np.testing.assert_array_equal(first, graph(SEED))


def test_masks_of_other_streams_seeds_and_steps_are_unrelated() -> None:
    masks = [
        draw_mask(tf.constant([seed, step]), stream, [10_000], 0.5, tf.float32).numpy() - 1
        for seed in (1, 2)
        for step in (0, 1, 2)
        for stream in (0, 1, 1000, 2000, 2001)
    ]
    correlations = np.array(masks) @ np.array(masks).T / 10_000
    np.testing.assert_allclose(correlations, np.eye(len(masks)), atol=0.06)


def test_mask_has_the_wanted_type() -> None:
    mask = draw_mask(SEED, 0, [50], 0.5, tf.bfloat16)
    assert mask.dtype == tf.bfloat16
    assert set(mask.numpy().astype(float)) == {0.0, 2.0}
