"""The weights of an `InferenceNetwork` as variables, which a SavedModel stores once each."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from chatbot.network.constant_product import Product
from chatbot.network.inference import InferenceNetwork


def keep_in_variables(network: InferenceNetwork) -> list[tf.Variable]:
    """Puts variables in the place of a network's tensors; a graph would hold those as constants.

    Returns:
        All variables that the network now computes with.
    """
    products = [x for x in tf.nest.flatten(vars(network)) if isinstance(x, Product)]
    variables: dict[int, tf.Variable] = {}
    for holder in (network, *products):
        for name, value in list(vars(holder).items()):
            if isinstance(value, tf.Variable):
                variables[id(value)] = value
            elif tf.is_tensor(value):
                setattr(holder, name, variables.setdefault(id(value), _make(value)))
    return list(variables.values())


def _make(value: Any) -> tf.Variable:
    return tf.Variable(value, trainable=False)
