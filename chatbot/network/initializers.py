"""First weights, every initializer seeded from one generator so that one seed decides them all."""

from __future__ import annotations

from random import Random
from typing import Any

import tensorflow as tf


def draw_seed(seeds: Random) -> int:
    """Draws the seed of one initializer."""
    return seeds.randrange(2**31)


def make_glorot(seeds: Random) -> Any:
    """Makes the initializer of Glorot and Bengio 2010, the uniform one."""
    return tf.keras.initializers.GlorotUniform(draw_seed(seeds))


def make_matrix(units: int, seeds: Random) -> tf.keras.layers.Dense:
    """Makes a layer without bias from `float [..., X]` to `float [..., units]`."""
    return tf.keras.layers.Dense(units, use_bias=False, kernel_initializer=make_glorot(seeds))


def make_lstm_initializers(seeds: Random) -> dict[str, Any]:
    """Makes the initializers that Keras gives an LSTM layer, as its keyword arguments."""
    return {
        "kernel_initializer": make_glorot(seeds),
        "recurrent_initializer": tf.keras.initializers.Orthogonal(seed=draw_seed(seeds)),
    }
