"""The weights of an `InferenceNetwork`, as the variables or the constants of a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from chatbot.network.constant_product import Product
from chatbot.network.inference import InferenceNetwork
from chatbot.network.layer_norm import LayerNorm


def keep_in_variables(network: InferenceNetwork) -> list[tf.Variable]:
    """Makes a network compute with variables alone, which a SavedModel stores once each.

    Returns:
        The variables.
    """
    return _replace(network, lambda weights: tf.Variable(weights, trainable=False))


def keep_in_constants(network: InferenceNetwork) -> None:
    """Makes a network compute with constants alone, of which TFLite takes what it can quantise."""
    _replace(network, tf.convert_to_tensor)


def _replace(network: InferenceNetwork, make: Callable[[Any], Any]) -> list[Any]:
    """Replaces all weights, one that occurs twice by the same object."""
    parts = tf.nest.flatten(vars(network))
    made: dict[int, Any] = {}
    for holder in (network, *(x for x in parts if isinstance(x, (Product, LayerNorm)))):
        for name, value in list(vars(holder).items()):
            if isinstance(value, tf.Variable) or tf.is_tensor(value):
                if id(value) not in made:
                    made[id(value)] = make(value)
                setattr(holder, name, made[id(value)])
    return list(made.values())
