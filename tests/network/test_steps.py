from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.network.steps import Shapes, bias_gradient, run_steps


@pytest.mark.parametrize("backwards", [False, True])
def test_results_are_in_the_order_of_the_inputs_whichever_way_the_steps_run(
    backwards: bool,
) -> None:
    def step(inputs: Any, state: Any) -> Any:
        total = 10 * state[0] + inputs[0]
        return [total, inputs[0]], [total]

    values = tf.constant([1.0, 2.0, 3.0])
    shapes: Shapes = [(tf.float32, []), (tf.float32, [])]
    (totals, seen), (last,) = run_steps(step, [values], [tf.constant(0.0)], shapes, backwards)
    expected = [321, 32, 3] if backwards else [1, 12, 123]
    np.testing.assert_array_equal(totals.stack(), expected)
    np.testing.assert_array_equal(seen.stack(), values)
    assert last == (321 if backwards else 123)


def test_bias_gradient_adds_up_many_rows_of_a_short_type_without_losing_them() -> None:
    # In bfloat16 itself 256 + 1 is 256.
    rows = tf.ones([30, 20, 7], tf.bfloat16)
    np.testing.assert_array_equal(tf.cast(bias_gradient(rows), tf.float32), np.full(7, 600.0))
