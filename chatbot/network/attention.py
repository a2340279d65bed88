"""The attention mechanisms by name."""

from __future__ import annotations

from random import Random
from typing import Any

import tensorflow as tf
import tensorflow_addons as tfa

MECHANISMS = {
    "bahdanau": tfa.seq2seq.BahdanauAttention,
    "luong": tfa.seq2seq.LuongAttention,
}


def make_mechanism(name: str, units: int, seeds: Random | None = None) -> Any:
    """Makes an attention mechanism that has no memory yet.

    Args:
        name: "bahdanau", the additive score v . tanh(W q + M m) of Bahdanau et al. 2015, "Neural
            Machine Translation by Jointly Learning to Align and Translate", or "luong", the
            multiplicative score q . M m of Luong et al. 2015, "Effective Approaches to
            Attention-based Neural Machine Translation" (their "general" one); m is the memory and q
            the decoder's new output, where Bahdanau et al. take the state before it.
        units: Width of the score's inner space; for "luong" the width of the query too.
        seeds: Where the first weights' seeds come from; None for fixed ones.

    Returns:
        A `tfa.seq2seq.AttentionMechanism`; call its `setup_memory` inside each traced function.

    Raises:
        ValueError: There is no mechanism of that name.
    """
    if name not in MECHANISMS:
        raise ValueError(f"attention mechanism {name!r} is not one of {sorted(MECHANISMS)}")
    seeds = seeds or Random(0)
    layers = {"memory_layer": make_projection(units, seeds)}
    if name == "bahdanau":
        layers["query_layer"] = make_projection(units, seeds)
        layers["kernel_initializer"] = tf.keras.initializers.GlorotUniform(seeds.randrange(2**31))
    mechanism = MECHANISMS[name](units, **layers)
    mechanism.default_probability_fn = _normalise
    return mechanism


def _normalise(scores: Any, _: Any) -> Any:
    """Returns the softmax of scores `[B, S]`.

    Inside a loop TensorFlow's planner has lost their rank, and complains of the softmax's unknown
    cost on standard error, whatever the log level, if nobody says it again.
    """
    return tf.nn.softmax(tf.ensure_shape(scores, [None, None]))


def make_projection(units: int, seeds: Random) -> tf.keras.layers.Dense:
    """Makes a matrix without bias.

    Args:
        units: Width of the result.
        seeds: Where the first weights' seed comes from.

    Returns:
        A layer from `float [..., X]` to `float [..., units]`.
    """
    seed = seeds.randrange(2**31)
    initializer = tf.keras.initializers.GlorotUniform(seed)
    return tf.keras.layers.Dense(units, use_bias=False, kernel_initializer=initializer)
