from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot.network.inference import GROUP
from chatbot.search.likeliest import find_best, find_likeliest, score_tokens
from chatbot.text import EOS
from tests.oracles import log_softmax


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 30))
def test_find_best_equals_sorting_all_logits(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, [4, 40 * GROUP]).astype(np.float32)
    logits[1] = -np.inf
    logits[1, generator.integers(40 * GROUP, size=60)] = generator.normal(size=60)
    values, places = find_best(tf.constant(logits), tf.constant(count))
    np.testing.assert_array_equal(values, -np.sort(-logits, axis=-1)[:, :count])
    np.testing.assert_array_equal(np.take_along_axis(logits, places.numpy(), -1), values)
    assert all(len(set(row)) == count for row in places.numpy().tolist())


class RoundedNetwork:
    """Rounds its logits, as a product in bfloat16 does, and knows them exactly."""

    is_exact = False

    def __init__(self, logits: Any) -> None:
        self._logits = tf.constant(logits, tf.float32)
        self.vocab_size = logits.shape[-1]

    def project(self, outputs: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.cast(self._logits, tf.bfloat16), tf.float32)

    def project_exactly(self, outputs: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        return tf.gather(self._logits, tokens, batch_dims=1)


@pytest.mark.parametrize("count", [1, 5])
def test_rounded_logits_of_the_likeliest_tokens_are_taken_exactly(count: int) -> None:
    logits = np.random.default_rng(7).normal(0, 2, [50, 30 * GROUP])
    # The four likeliest fall together when they are rounded.
    logits[:, [3, 700, 40, 1000]] = 17.0 + np.array([0.0, 0.01, 0.02, 0.03])
    network, banned = RoundedNetwork(logits), (tf.zeros([30 * GROUP]), tf.zeros([50, 0], tf.int32))
    log_probs, tokens, end, _ = find_likeliest(network, tf.zeros([50, 1]), *banned, count)
    expected = log_softmax(logits)
    order = np.argsort(-expected, axis=-1)[:, :count]
    assert np.all(tokens.numpy()[:, :4] == order[:, :4])
    np.testing.assert_allclose(
        log_probs, np.take_along_axis(expected, tokens.numpy(), -1), atol=2e-3
    )
    np.testing.assert_allclose(end, expected[:, EOS], atol=2e-3)


def test_rounded_logits_of_given_tokens_are_taken_exactly() -> None:
    logits = np.random.default_rng(7).normal(0, 2, [50, 30 * GROUP])
    logits[:, 40], logits[:, 700] = 17.03, 14.01  # 0.03 less and 0.01 more when they are rounded
    network: Any = RoundedNetwork(logits)
    tokens = np.random.default_rng(8).choice([40, 700, 3, 1000], 50)
    rounded = network.project(tf.zeros([50, 1]))
    found = score_tokens(network, tf.zeros([50, 1]), rounded, tf.constant(tokens, tf.int32))
    expected = log_softmax(logits)
    np.testing.assert_allclose(found, expected[np.arange(50), tokens], atol=2e-3)
    plain = tf.gather(tf.nn.log_softmax(rounded), tokens, batch_dims=1)
    assert np.max(np.abs(plain - expected[np.arange(50), tokens])) > 1e-2
