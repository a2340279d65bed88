"""The worked numbers of `docs/articles.md`, and what the code it describes would compute."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from numpy.typing import NDArray

from chatbot.network.pooling import attend, make_attention

PAGE = (Path(__file__).parents[1] / "docs" / "articles.md").read_text(encoding="utf-8")
QUERY = np.array([1.0, 0.8])
KEYS = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.9]])
VALUES = np.array([[1.0, 0.1], [0.9, 0.2], [0.8, 0.3]])
FRUIT = np.array([2.0, 3.0, 1.0])
FRUITS = np.array([[1.0, 2.0, 1.0], [1.0, 1.0, 2.0]])

Array = NDArray[np.float64]


def softmax(scores: Any, axis: int = -1) -> Array:
    powers = np.exp(scores - np.max(scores, axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis, keepdims=True))


def assert_printed(*values: float, digits: int = 5) -> None:
    """The page has these numbers, side by side."""
    assert ", ".join(f"{value:.{digits}f}" for value in values) in PAGE


def test_weights_and_output_of_the_first_example() -> None:
    scores = QUERY @ KEYS.T
    np.testing.assert_allclose(scores, [0.98, 0.96, 1.42])
    weights = softmax(scores / np.sqrt(2))
    assert_printed(*scores / np.sqrt(2))
    assert_printed(*weights)
    assert_printed(*weights @ VALUES)
    assert_printed(*softmax(scores))
    assert weights.argmax() == 2


def test_printed_output_is_no_mean_of_the_values() -> None:
    printed = np.array([0.4761, 0.2678, 0.2561]) @ VALUES
    assert_printed(*printed, digits=4)
    np.testing.assert_allclose(VALUES.sum(1), 1.1)
    assert f"{np.sum([0.9529, 0.1797]):.4f}" == "1.1326"


def test_weights_of_the_second_example() -> None:
    scores = FRUITS @ FRUIT
    np.testing.assert_array_equal(scores, [9, 7])
    scaled = scores / np.sqrt(3)
    assert " and ".join(f"{score:.5f}" for score in scaled) in PAGE
    assert f"{scaled[0] - scaled[1]:.5f}" in PAGE
    assert_printed(*softmax(scaled))
    assert_printed(*softmax(scores))
    np.testing.assert_allclose(softmax(scores / 4), [0.6225, 0.3775], atol=5e-5)


@pytest.mark.parametrize(
    ("query", "keys"), [(QUERY, KEYS), (FRUIT, FRUITS)], ids=["first", "second"]
)
def test_our_attention_gives_the_formulas_weights(query: Array, keys: Array) -> None:
    units = len(query)
    attention = make_attention("luong", units, Random(0))
    attention.memory_layer.kernel.assign(np.eye(units) / np.sqrt(units))
    single, memory = (tf.constant(x, tf.float32) for x in (query[None, None], keys[None]))
    _, weights = attend(attention, single, memory, tf.constant([len(keys)]))
    np.testing.assert_allclose(weights[0, 0], softmax(keys @ query / np.sqrt(units)), rtol=1e-5)


def test_example_of_beam_search() -> None:
    first, then = [0.4, 0.5], [[0.3, 0.6, 0.1], [0.3, 0.3, 0.4]]
    products = np.sort(np.multiply(np.array(first)[:, None], then).ravel())[::-1]
    np.testing.assert_allclose(products, [0.24, 0.20, 0.15, 0.15, 0.12, 0.04])
    assert sum([0.4, 0.5, 0.1]) == pytest.approx(1.0)


def test_boolean_flag_takes_no_value_after_a_blank() -> None:
    values: Any = flags.FlagValues()  # type: ignore[no-untyped-call]
    flags.DEFINE_boolean("bool_name", False, "Yes or no.", flag_values=values)
    assert values(["program", "--bool_name", "False"]) == ["program", "False"]
    assert values.bool_name is True


def test_scaling_by_the_root_keeps_the_variance_at_one() -> None:
    draws = np.random.default_rng(0)
    for size in (4, 64):
        queries, keys = draws.normal(size=[2, 5000, size])
        products = (queries * keys).sum(1)
        assert products.var() == pytest.approx(size, rel=0.1)
        assert (products / np.sqrt(size)).var() == pytest.approx(1.0, rel=0.1)


# What the code of the six networks computes, with B sentences of S words and H units.

B, S, H = 3, 5, 4


def draw(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape)


def test_state_and_outputs_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="dimension"):
        np.concatenate([draw(1, B, H), draw(S, B, H)], axis=2)


def test_softmax_over_the_batch_lets_sentences_compete() -> None:
    scores = draw(S, B, 1)
    np.testing.assert_allclose(softmax(scores, 1).sum(1), 1.0)
    assert np.abs(softmax(scores, 1).sum(0) - 1.0).max() > 0.1
    assert (softmax(scores, 1) * draw(S, B, H)).sum(1).shape == (S, H)  # the batch has gone
    np.testing.assert_array_equal(softmax(scores[:, :1], 1), 1.0)  # one sentence: no attention


def test_two_convolutions_without_a_nonlinearity_are_one_of_five_by_five() -> None:
    image, kernels = tf.constant(draw(1, 12, 12, 2)), (draw(3, 3, 2, 3), draw(3, 3, 3, 2))
    result = image
    for kernel in kernels:
        result = tf.nn.conv2d(result, kernel, 1, "VALID")
    assert result.shape[1:3] == (8, 8)  # 64 positions
    # The one kernel, turned round, is what an impulse leaves.
    impulses = np.zeros([2, 9, 9, 2])
    impulses[[0, 1], 4, 4, [0, 1]] = 1.0
    for kernel in kernels:
        impulses = tf.nn.conv2d(impulses, kernel, 1, "VALID").numpy()
    kernel = impulses[:, ::-1, ::-1].transpose(1, 2, 0, 3)
    assert kernel.shape == (5, 5, 2, 2)
    np.testing.assert_allclose(tf.nn.conv2d(image, kernel, 1, "VALID"), result)


def test_weights_over_a_dimension_of_one_are_one() -> None:
    x, layer = draw(B, 64, 64), draw(64, 1)  # channels and positions, as many of each
    np.testing.assert_array_equal(softmax(np.tanh(x @ layer), 2), 1.0)
    with pytest.raises(ValueError, match="matmul"):
        draw(B, 128, 16) @ draw(128, 1)  # the generator's


def test_tanh_outside_bounds_the_weights() -> None:
    for length, bound in ((5, 0.65), (10, 0.45), (20, 0.28), (64, 0.10)):
        most = softmax([1.0] + [-1.0] * (length - 1))[0]
        assert most == pytest.approx(1 / (1 + (length - 1) * np.exp(-2)))
        assert most == pytest.approx(bound, abs=5e-3)
        assert f"{bound:.2f} for {length}" in " ".join(PAGE.split())
        assert softmax(np.tanh(10 * draw(1000, length))).max() <= most + 1e-9


def test_query_drops_out_of_a_linear_score() -> None:
    memory, part = draw(S, H), draw(H)
    scores = memory @ part
    for query in draw(4, H):
        np.testing.assert_allclose(softmax(scores + query @ part), softmax(scores))
    assert np.abs(softmax(np.tanh(scores + 2)) - softmax(np.tanh(scores))).max() > 0.01
