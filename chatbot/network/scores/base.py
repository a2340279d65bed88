"""What every attention consists of, and what most of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf

from chatbot.network.variables import Matrix
from chatbot.settings.config import ModelConfig

Multiply = Callable[[str, tf.Tensor], tf.Tensor]
"""Multiplies `float [B, S, U]` by the matrix of a name: `float [B, S, Y]`."""


class Attended(NamedTuple):
    """What the decoder attends to, once a query whatever the beam's width.

    With several heads, H, memory and keys are `[B, H, S, ...]`.

    Attributes:
        memory: `float [B, S, U]`, what the attention weighs, of the products' type.
        keys: `float [B, S, K]`, what the query is scored against.
        padding: `float32 [B, 1, S]`, added to the scores: 0, and float32's least on padding.
        query_ids: `int32 [B, S]`, what a pointer-generator copies; None for a network without.
    """

    memory: tf.Tensor
    keys: tf.Tensor
    padding: tf.Tensor
    query_ids: Any = None


class Score(tf.Module):
    """The variables of an attention, and how its weights come from them.

    Training and replies call `prepare` once a query and `compute` at every step. Both compute with
    what they are given and never with the variables themselves: replies keep weights as they were,
    and the training loop needs to know what it takes gradients with respect to. Products with
    matrices are in the type of the memory, all else is in float32 but for the keys that a class
    leaves in the memory's type.

    Attributes:
        by_hand: The backward pass of `fast_attention` that serves training, "multiplicative" or
            "additive"; without one it is TensorFlow's gradient of `compute`.
        carries: Whether something goes from step to step: `start` says what goes into the first.
    """

    by_hand: ClassVar[str] = ""
    carries: ClassVar[bool] = False

    def __init__(self, config: ModelConfig, seeds: Random) -> None:
        """Draws the variables.

        Args:
            config: The network's settings.
            seeds: Where the first weights' seeds come from.
        """
        super().__init__(name="attention")
        self._make_variables(config.rnn_size, seeds)

    def _make_variables(self, units: int, seeds: Random) -> None:
        """Makes the variables; a `Matrix` multiplies memory or, as `query_layer`, the query."""

    def listed(self) -> list[tf.Variable]:
        """Returns the variables, the last made first, as Keras lists Bahdanau's."""
        own = [x for x in vars(self).values() if isinstance(x, (Matrix, tf.Variable))]
        return [x.kernel if isinstance(x, Matrix) else x for x in reversed(own)]

    def matrices(self) -> dict[str, tf.Tensor]:
        """Returns {name: `float32 [X, Y]`} of what multiplies the memory or the query."""
        return {name: x.kernel for name, x in vars(self).items() if isinstance(x, Matrix)}

    def shared(self) -> dict[str, tf.Tensor]:
        """Returns {name: `float32 [...]`} of what else all queries share."""
        return {}

    def prepare(
        self, memory: tf.Tensor, multiply: Multiply, shared: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns memory and keys as `Attended` has them, of a memory `float [B, S, U]`."""
        raise NotImplementedError

    def start(self, padding: tf.Tensor) -> tf.Tensor:
        """Returns what is carried into the first step, `float32 [B, C]`.

        Args:
            padding: `float32 [B, 1, S]`.
        """
        raise NotImplementedError

    def compute(
        self,
        query: tf.Tensor,
        projected: tf.Tensor | None,
        attended: Attended,
        shared: Mapping[str, tf.Tensor],
        carried: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Computes a step's weights by the softmax of `score`, and carries nothing.

        Args:
            query: `float [B, N, U]`, of the keys' type; N rows a query.
            projected: `float32 [B, N, Y]`, the query times `query_layer`; None without one.
            attended: From `prepare`.
            shared: From `shared`.
            carried: `float32 [B, N, C]`, from the step before; None where nothing is carried.

        Returns:
            The weights `float32 [B, N, S]`, or with heads `[B, H, N, S]`, and what is carried on.
        """
        scores = self.score(query, projected, attended.keys, shared)
        return tf.nn.softmax(scores + attended.padding), None

    def score(
        self,
        query: tf.Tensor,
        projected: tf.Tensor | None,
        keys: tf.Tensor,
        shared: Mapping[str, tf.Tensor],
    ) -> tf.Tensor:
        """Computes scores `float32 [B, N, S]`; arguments as in `compute`."""
        raise NotImplementedError

    def mix(self, kernel: tf.Tensor) -> tf.Tensor:
        """Folds what multiplies the context into the next matrix, `float32 [2 * U, U]`."""
        return kernel


def count_real(padding: tf.Tensor) -> tf.Tensor:
    """Counts the real tokens: from `float32 [B, 1, S]` to `float32 [B, 1, 1]`."""
    return tf.reduce_sum(tf.cast(padding == 0.0, tf.float32), axis=-1, keepdims=True)


def make_scalar(value: float) -> Any:
    """Makes a variable `float32 []`."""
    return tf.Variable(tf.constant(value, tf.float32))
