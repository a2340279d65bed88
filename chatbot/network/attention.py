"""The attention mechanisms by name."""

from __future__ import annotations

from random import Random
from typing import Any

import tensorflow as tf
import tensorflow_addons as tfa

from chatbot.network.initializers import make_glorot, make_matrix

MECHANISMS = {
    "bahdanau": tfa.seq2seq.BahdanauAttention,
    "luong": tfa.seq2seq.LuongAttention,
}


def make_mechanism(name: str, units: int, seeds: Random) -> Any:
    """Makes an attention mechanism that has no memory yet.

    Args:
        name: "bahdanau", the additive score v . tanh(W q + M m) of Bahdanau et al. 2015, "Neural
            Machine Translation by Jointly Learning to Align and Translate", or "luong", the
            multiplicative score q . M m of Luong et al. 2015, "Effective Approaches to
            Attention-based Neural Machine Translation" (their "general" one); m is the memory and q
            the decoder's new output, where Bahdanau et al. take the state before it.
        units: Width of the score's inner space; for "luong" the width of the query too.
        seeds: Where the first weights' seeds come from.

    Returns:
        A `tfa.seq2seq.AttentionMechanism`; call its `setup_memory` inside each traced function.

    Raises:
        ValueError: There is no mechanism of that name.
    """
    if name not in MECHANISMS:
        raise ValueError(f"attention mechanism {name!r} is not one of {sorted(MECHANISMS)}")
    layers = {"memory_layer": make_matrix(units, seeds)}
    if name == "bahdanau":
        layers["query_layer"] = make_matrix(units, seeds)
        layers["kernel_initializer"] = make_glorot(seeds)
    mechanism = MECHANISMS[name](units, **layers)
    mechanism.default_probability_fn = _normalise
    return mechanism


def _normalise(scores: Any, _: Any) -> Any:
    """Returns the softmax of scores `[B, S]`.

    Inside a loop TensorFlow's planner loses their rank, and unless it is stated again the planner
    complains of the softmax's unknown cost on standard error, whatever the log level.
    """
    return tf.nn.softmax(tf.ensure_shape(scores, [None, None]))
