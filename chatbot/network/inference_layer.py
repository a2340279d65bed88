"""A recurrent layer as replies need it: its products laid out once, and few operations a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.network.constant_product import Product
from chatbot.network.layer_norm import LayerNorm
from chatbot.network.variables import LayerWeights

Advance = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""From gates `float32 [B, 4 * U]` and carry to hidden state and carry, `float32 [B, U]`."""


class Step(NamedTuple):
    """What follows a layer's products in a step.

    Attributes:
        norm: The layer norm of the gates, or None; without one the bias is part of a product.
        cell: The cell's elementwise part.
        units: U.
    """

    norm: LayerNorm | None
    cell: Advance
    units: int

    def advance(self, products: tf.Tensor, carry: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes a step; as `Advance`."""
        return self.cell(products if self.norm is None else self.norm(products), carry)


class EncoderLayer(NamedTuple):
    """An encoder layer, or one direction of it.

    Attributes:
        inputs: The product with the layer's inputs, bias included.
        hidden: The product with its hidden state, which is added.
        step: What follows.
    """

    inputs: Product
    hidden: Product
    step: Step


class DecoderLayer(NamedTuple):
    """A decoder layer.

    Attributes:
        product: With the layer's inputs and its hidden state side by side, bias included.
        step: What follows.
    """

    product: Product
    step: Step


def lay_out_encoder_layer(layer: LayerWeights, dtype: tf.DType) -> EncoderLayer:
    """Lays out the weights of an encoder's layer for products of a type."""
    order, step, bias = _lay_out_step(layer)
    inputs = Product(order(layer.kernel), bias, dtype)
    return EncoderLayer(inputs, Product(order(layer.recurrent_kernel), None, dtype), step)


def lay_out_decoder_layer(layer: LayerWeights, dtype: tf.DType) -> DecoderLayer:
    """Lays out the weights of a decoder's layer for products of a type."""
    order, step, bias = _lay_out_step(layer)
    joined = tf.concat([layer.kernel, layer.recurrent_kernel], axis=0)
    return DecoderLayer(Product(order(joined), bias, dtype), step)


def _lay_out_step(layer: LayerWeights) -> tuple[Any, Step, tf.Tensor | None]:
    """Returns what orders the columns, the step, and the bias if a product is to add it."""
    order, cell = (_order_gates, advance_lstm) if layer.cell == "lstm" else (_keep, advance_gru)
    units, bias = int(layer.recurrent_kernel.shape[0]), order(layer.bias)
    if layer.gain is None:
        return order, Step(None, cell, units), bias
    return order, Step(LayerNorm(order(layer.gain), bias, groups=4), cell, units), None


def _keep(weights: Any) -> tf.Tensor:
    return tf.convert_to_tensor(weights)


def _order_gates(weights: Any) -> tf.Tensor:
    """Brings the columns of weights from Keras' order i, f, g, o into ours."""
    i, f, g, o = tf.split(tf.convert_to_tensor(weights), 4, axis=-1)
    return tf.concat([i, f, o, g], axis=-1)


def advance_lstm(gates: tf.Tensor, carry: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes the elementwise part of an LSTM step, of gates i, f, o, g; see `fast_lstm`."""
    units = carry.shape[-1]
    sigmoids, g = tf.split(gates, [3 * units, units], axis=1)
    i, f, o = tf.split(tf.sigmoid(sigmoids), 3, axis=1)
    carry = f * carry + i * tf.tanh(g)
    return o * tf.tanh(carry), carry


def advance_gru(gates: tf.Tensor, carry: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes the elementwise part of a GRU step; see `fast_gru`."""
    units = carry.shape[-1]
    sigmoids, p, q = tf.split(gates, [2 * units, units, units], axis=1)
    z, r = tf.split(tf.sigmoid(sigmoids), 2, axis=1)
    following = z * carry + (1.0 - z) * tf.tanh(p + r * q)
    return following, following
