from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from chatbot.network.constant_product import Product


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [("float32", 1e-6), pytest.param("bfloat16", 2e-2, marks=pytest.mark.needs_bfloat16)],
)
def test_product_is_the_same_eager_and_in_a_loop_of_a_graph(
    precision: str, tolerance: float, biased: bool
) -> None:
    generator = np.random.default_rng(0)
    kernel = tf.constant(generator.normal(size=[24, 7]), tf.float32)
    bias = tf.constant(generator.normal(size=[7]), tf.float32) if biased else None
    product = Product(kernel, bias, tf.dtypes.as_dtype(precision))
    x = tf.constant(generator.normal(size=[5, 24]), tf.float32)

    def repeat(x: tf.Tensor) -> tf.Tensor:
        array = tf.TensorArray(tf.float32, 3, element_shape=[None, 7])
        _, array = tf.while_loop(
            lambda time, _: time < 3,
            lambda time, array: (time + 1, array.write(time, product(x))),
            (tf.constant(0), array),
        )
        return array.stack()

    expected = x.numpy() @ kernel.numpy() + (0 if bias is None else bias.numpy())
    scale = np.abs(expected).max()
    found = tf.function(repeat, autograph=False)(x)
    assert found.dtype == tf.float32
    for result in (product(x), *found):
        np.testing.assert_allclose(result, expected, atol=tolerance * scale)
