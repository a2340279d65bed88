from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.addons.decoder import make_mechanism
from chatbot.network.scores import make_score
from tests.conftest import U, make_config, randomise
from tests.oracles import softmax

LENGTHS = [5, 2, 3]


def attend(mechanism: Any, queries: Any, memory: Any) -> Any:
    mechanism.setup_memory(tf.constant(memory), memory_sequence_length=tf.constant(LENGTHS))
    state = mechanism.initial_state(len(LENGTHS), tf.float32)
    alignments, _ = mechanism([tf.constant(queries), state])
    return alignments.numpy()


def make_inputs() -> tuple[Any, Any]:
    generator = np.random.default_rng(4)
    queries = generator.normal(size=[3, U]).astype(np.float32)
    return queries, generator.normal(size=[3, 5, U]).astype(np.float32)


@pytest.mark.parametrize("name", ["bahdanau", "luong"])
def test_alignments_equal_the_papers_formula_over_real_tokens(name: str) -> None:
    queries, memory = make_inputs()
    attention: Any = make_score(make_config(name), Random(0))
    randomise(attention.trainable_variables, seed=6)
    alignments = attend(make_mechanism(attention, U, tf.float32), queries, memory)
    keys = memory.astype(np.float64) @ attention.memory_layer.kernel.numpy()
    for row, length in enumerate(LENGTHS):
        if name == "luong":
            scores = keys[row, :length] @ queries[row]
        else:
            matrix, vector = attention.query_layer, attention.attention_v
            query = queries[row].astype(np.float64) @ matrix.kernel.numpy()
            scores = np.tanh(query + keys[row, :length]) @ vector.numpy()
        np.testing.assert_allclose(alignments[row, :length], softmax(scores), atol=1e-6)
        assert np.all(alignments[row, length:] == 0)


@pytest.mark.parametrize("name", ["bahdanau", "luong"])
def test_values_on_padding_do_not_matter(name: str) -> None:
    queries, memory = make_inputs()
    mechanism = make_mechanism(make_score(make_config(name), Random(0)), U, tf.float32)
    before = attend(mechanism, queries, memory)
    for row, length in enumerate(LENGTHS):
        memory[row, length:] = 1000.0
    np.testing.assert_array_equal(attend(mechanism, queries, memory), before)
