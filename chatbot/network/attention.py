"""The attention's variables, for either score."""

from __future__ import annotations

from random import Random

import tensorflow as tf

from chatbot.network.variables import Matrix, draw_glorot


class Attention(tf.Module):
    """What the score of a query q against a memory m is made of.

    "bahdanau" is the additive score v . tanh(W q + M m) of Bahdanau et al. 2015, "Neural Machine
    Translation by Jointly Learning to Align and Translate"; "luong" the multiplicative score
    q . M m of Luong et al. 2015, "Effective Approaches to Attention-based Neural Machine
    Translation" (their "general" one). Here q is the decoder's new output, where Bahdanau et al.
    take the state before it.

    Attributes:
        memory_layer: M, `float32 [U, U]`.
        query_layer: W, `float32 [U, U]`, or None for "luong".
        attention_v: v, `float32 [U]`, or None for "luong".
    """

    def __init__(self, name: str, units: int, seeds: Random) -> None:
        """Draws the variables.

        Args:
            name: "bahdanau" or "luong".
            units: U.
            seeds: Where the first weights' seeds come from.

        Raises:
            ValueError: There is no score of that name.
        """
        super().__init__(name="attention")
        if name not in ("bahdanau", "luong"):
            raise ValueError(f"attention {name!r} is not one of bahdanau, luong")
        self.memory_layer = Matrix(units, units, seeds)
        self.query_layer = self.attention_v = None
        if name == "bahdanau":
            self.query_layer = Matrix(units, units, seeds)
            self.attention_v = tf.Variable(draw_glorot([units], seeds))

    def listed(self) -> list[tf.Variable]:
        """Returns the variables in the order in which Keras lists them."""
        if self.query_layer is None:
            return [self.memory_layer.kernel]
        return [self.attention_v, self.query_layer.kernel, self.memory_layer.kernel]
