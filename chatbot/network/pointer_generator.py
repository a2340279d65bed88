"""The pointer-generator: a reply may copy words of the query that the vocabulary has not.

See et al. 2017, "Get To The Point", equations 8 and 9. With h the output that the attention scores
(its query), c the context, x the word vector that the decoder reads, a_j the attention's weights
and q_j the query's tokens, a step says the word w with the probability

    P(w) = p P_vocab(w) + (1 - p) (sum of a_j over all j with q_j = w)
    p = sigmoid(v . [h; c; x] + b)

w ranges over the vocabulary's V words and, behind them, the `SLOTS` words of the query's own, of
which P_vocab is 0; see `chatbot.text.extended`. Heads count by their mean. Weights count as shares
of their sum, which is 1 already for every attention that is a softmax, so that P always adds up to
1. All of this is in float32 whatever the products' type is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.network.variables import draw_glorot
from chatbot.settings.config import ModelConfig
from chatbot.text import PAD, SLOTS, UNK

LEAST = 1e-30
"""The least weight of a real token, so that the logarithm of no copied word is infinite."""
_NEVER = -1e9  # a logarithm of nothing, finite so that gradients are numbers


class PointerWeights(NamedTuple):
    """What decides between generating and copying.

    Attributes:
        kernel: `float32 [2 * U + E, 1]`, v, for output, context and word vector.
        bias: `float32 [1]`, b.
    """

    kernel: Any
    bias: Any


class Pointer(tf.Module):
    """The variables of the pointer-generator."""

    def __init__(self, config: ModelConfig, seeds: Random) -> None:
        super().__init__(name="pointer")
        size = 2 * config.rnn_size + config.embedding_size
        self.kernel = tf.Variable(draw_glorot([size, 1], seeds))
        self.bias = tf.Variable(tf.zeros([1]))

    def listed(self) -> list[tf.Variable]:
        """Returns the variables."""
        return [self.kernel, self.bias]

    def weights(self) -> PointerWeights:
        """Returns the variables as they are now."""
        return PointerWeights(*map(tf.convert_to_tensor, self.listed()))


class Pointed(NamedTuple):
    """What P is computed from at N steps.

    Attributes:
        outputs: `float [N, U]`, what is projected to the vocabulary.
        gate: `float32 [N]`, the logit of p.
        shares: `float32 [N, S]`, a, 0 on padding.
        query_ids: `int32 [N, S]`, q, in the extended vocabulary.
    """

    outputs: tf.Tensor
    gate: tf.Tensor
    shares: tf.Tensor
    query_ids: tf.Tensor


def point(
    weights: PointerWeights,
    outputs: tf.Tensor,
    looks: tf.Tensor,
    joined: tf.Tensor,
    words: tf.Tensor,
    query_ids: tf.Tensor,
) -> Pointed:
    """Prepares P of N steps.

    Args:
        weights: The variables.
        outputs: `float [N, U]`, what is projected to the vocabulary.
        looks: `float32 [N, (H), S]`, the attention's weights.
        joined: `float [N, 2 * U]`, h and c side by side.
        words: `float [N, E]`, x.
        query_ids: `int32 [N, S]`, padded on the right.
    """
    seen = tf.concat([tf.cast(joined, tf.float32), tf.cast(words, tf.float32)], axis=1)
    gate = tf.matmul(seen, weights.kernel) + weights.bias
    looks = tf.reduce_mean(looks, axis=1) if looks.shape.rank == 3 else looks
    shares = tf.where(query_ids == PAD, 0.0, tf.maximum(looks, LEAST))
    shares /= tf.reduce_sum(shares, axis=1, keepdims=True)
    return Pointed(outputs, gate[:, 0], shares, query_ids)


def mix_losses(
    pointed: Pointed,
    targets: tf.Tensor,
    size: int,
    measure: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """Computes the cross entropy of N tokens, -log P(target).

    If `measure` smooths labels for its gradient, it does so for P_vocab alone.

    Args:
        pointed: From `point`.
        targets: `int32 [N]`, in the extended vocabulary.
        size: Words in the vocabulary, V.
        measure: Computes -log P_vocab of words from outputs, `float32 [N]` in nats.

    Returns:
        `float32 [N]`, in nats.
    """
    is_known = targets < size
    losses = measure(pointed.outputs, tf.where(is_known, targets, UNK))
    is_target = pointed.query_ids == targets[:, tf.newaxis]
    found = tf.reduce_sum(tf.where(is_target, pointed.shares, 0.0), axis=1)
    is_found = found > 0.0
    found = tf.where(is_found, found, 1.0)
    copied = tf.math.log_sigmoid(-pointed.gate) + tf.math.log(found)
    generated = tf.math.log_sigmoid(pointed.gate) - losses
    parts = tf.where(is_known, generated, _NEVER), tf.where(is_found, copied, _NEVER)
    return -tf.reduce_logsumexp(tf.stack(parts), axis=0)


def add_slots(logits: tf.Tensor) -> tf.Tensor:
    """Adds the query's own words, which P_vocab has not, to logits `float [N, V]`, as float32."""
    logits = tf.cast(logits, tf.float32)
    return tf.pad(logits, [[0, 0], [0, SLOTS]], constant_values=-math.inf)


def mix(pointed: Pointed, logits: tf.Tensor) -> tf.Tensor:
    """Computes log P of every word; there are no gradients of it.

    Args:
        pointed: From `point`.
        logits: `float32 [N, V']`, of the vocabulary, -inf behind it; V' is at least V + `SLOTS`.

    Returns:
        `float32 [N, V']`, its own log softmax; -inf behind the vocabulary for all but the query's
        own words.
    """
    generated = tf.nn.log_softmax(logits) + tf.math.log_sigmoid(pointed.gate)[:, tf.newaxis]
    rows, size = tf.unstack(tf.shape(pointed.query_ids))
    numbers = tf.repeat(tf.range(rows), size)
    places = tf.stack([numbers, tf.reshape(pointed.query_ids, [-1])], axis=1)
    totals = tf.scatter_nd(places, tf.reshape(pointed.shares, [-1]), tf.shape(logits))
    copied = tf.math.log(tf.gather_nd(totals, places))  # -inf on padding
    copied += tf.gather(tf.math.log_sigmoid(-pointed.gate), numbers)
    both = tf.reduce_logsumexp(tf.stack([tf.gather_nd(generated, places), copied]), axis=0)
    return tf.tensor_scatter_nd_update(generated, places, both)
