from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from chatbot.network.losses import gather_real, project_losses, token_losses
from tests.conftest import U, V
from tests.oracles import log_softmax


def make_logits(*shape: int) -> Any:
    return np.random.default_rng(7).normal(0, 4, shape).astype(np.float32)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_gather_real_picks_each_rows_beginning_in_order(lengths: list[int]) -> None:
    values = np.arange(len(lengths) * 4 * 2).reshape(len(lengths), 4, 2)
    picked = gather_real(tf.constant(values), tf.constant(lengths, tf.int32))
    expected = [values[row, time] for row, length in enumerate(lengths) for time in range(length)]
    np.testing.assert_array_equal(picked, np.reshape(expected, [-1, 2]))


def test_token_losses_equal_the_formula() -> None:
    logits, targets = make_logits(9, V), np.arange(9) + 1
    losses = token_losses(tf.constant(logits), tf.constant(targets, tf.int32))
    expected = -log_softmax(logits.astype(np.float64))[np.arange(9), targets]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_token_loss_of_equally_likely_words_is_the_logarithm_of_their_number() -> None:
    losses = token_losses(tf.zeros([2, 8]), tf.constant([0, 7]))
    np.testing.assert_allclose(losses, [np.log(8), np.log(8)], rtol=1e-6)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_token_losses_are_computed_in_float32(dtype: tf.DType) -> None:
    logits = tf.cast(make_logits(9, V), dtype)
    losses = token_losses(logits, tf.range(9))
    assert losses.dtype == tf.float32
    expected = -log_softmax(logits.numpy().astype(np.float64))[np.arange(9), np.arange(9)]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def make_projection() -> tuple[tuple[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
    generator = np.random.default_rng(4)
    outputs, kernel, bias = (
        tf.constant(generator.normal(size=shape), tf.float32) for shape in ([9, U], [U, V], [V])
    )
    return (outputs, kernel, bias), tf.constant(np.arange(9) + 1, tf.int32)


def project_in_two(
    outputs: tf.Tensor,
    kernel: tf.Tensor,
    bias: tf.Tensor,
    targets: tf.Tensor,
    label_smoothing: float = 0.0,
) -> tf.Tensor:
    return token_losses(outputs @ kernel + bias, targets, label_smoothing)


@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_losses_of_projected_outputs_equal_the_formula(smoothing: float) -> None:
    arrays, targets = make_projection()
    outputs, kernel, bias = (x.numpy().astype(np.float64) for x in arrays)
    expected = -log_softmax(outputs @ kernel + bias)[np.arange(9), targets]
    losses = project_losses(*arrays, targets, smoothing)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.25])
@pytest.mark.parametrize("compute", [project_losses, project_in_two])
def test_gradients_of_projected_losses_equal_the_formula(compute: Any, smoothing: float) -> None:
    arrays, targets = make_projection()
    d_losses = np.random.default_rng(5).normal(size=9)
    with tf.GradientTape() as tape:
        tape.watch(arrays)
        losses = compute(*arrays, targets, smoothing)
        total = tf.reduce_sum(losses * d_losses.astype(np.float32))
    outputs, kernel, bias = (x.numpy().astype(np.float64) for x in arrays)
    wanted = (1 - smoothing) * np.eye(V)[targets] + smoothing / V
    d_logits = np.exp(log_softmax(outputs @ kernel + bias)) - wanted
    d_logits *= d_losses[:, np.newaxis]
    expected = d_logits @ kernel.T, outputs.T @ d_logits, d_logits.sum(0)
    for mine, other in zip(tape.gradient(total, arrays), expected):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("compute", [project_losses, project_in_two])
def test_smoothed_gradients_are_those_of_the_librarys_smoothed_loss(compute: Any) -> None:
    arrays, targets = make_projection()
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(arrays)
        mine = compute(*arrays, targets, 0.1)
        outputs, kernel, bias = arrays
        library = keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=0.1, reduction="none"
        )
        expected = library(tf.one_hot(targets, V), outputs @ kernel + bias)
    assert np.abs(mine - expected).min() > 1e-3  # the value is that of the plain loss
    gradients = zip(tape.gradient(mine, arrays), tape.gradient(expected, arrays))
    for found, other in gradients:
        np.testing.assert_allclose(found, other, rtol=1e-4, atol=1e-5)


@pytest.mark.needs_bfloat16
def test_smoothed_gradients_in_bfloat16_are_those_of_float32() -> None:
    arrays, targets = make_projection()
    found = []
    for dtype in (tf.bfloat16, tf.float32):
        outputs, kernel, bias = (tf.cast(tf.cast(x, tf.bfloat16), dtype) for x in arrays)
        bias = tf.cast(bias, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch([outputs, kernel, bias])
            loss = tf.reduce_mean(project_losses(outputs, kernel, bias, targets, 0.25))
        found.append([tf.cast(x, tf.float32) for x in tape.gradient(loss, [outputs, kernel, bias])])
    for small, full in zip(*found):
        np.testing.assert_allclose(small, full, atol=0.02 * np.abs(full).max())


def test_loss_of_a_word_too_unlikely_for_float32_is_exact_and_finite() -> None:
    kernel = tf.constant([[0.0, 500.0, 499.0], [1.0, 0.0, 0.0]])
    outputs, bias = tf.constant([[1.0, 0.0], [0.0, 2.0]]), tf.zeros([3])
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        losses = project_losses(outputs, kernel, bias, tf.constant([0, 0]))
    expected = [500 + np.log1p(np.exp(-1)), np.log1p(2 * np.exp(-2))]
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    probabilities = np.exp(log_softmax(outputs.numpy() @ kernel.numpy()))
    d_outputs = (probabilities - np.eye(3)[0]) @ kernel.numpy().T
    np.testing.assert_allclose(tape.gradient(losses, outputs), d_outputs, rtol=1e-5)
