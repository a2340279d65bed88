"""Sampling: replies drawn at random from the model's distribution, or from a sharpened one."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.sampling import FEW
from chatbot.search.hypotheses import rank
from chatbot.search.likeliest import find_best, score_tokens
from chatbot.search.rules import FREE, Rules, find_banned, forbid
from chatbot.text import EOS, GO


class Choice(NamedTuple):
    """From which tokens to draw, all scalars.

    Attributes:
        temperature: `float32`, what logits are divided by.
        top_k: `int32`, draw from this many of the likeliest (Fan et al. 2018, "Hierarchical Neural
            Story Generation"); 0 for all.
        top_p: `float32`, draw from the fewest that together have this probability (Holtzman et al.
            2020, "The Curious Case of Neural Text Degeneration"); 1 for all.
    """

    temperature: Any
    top_k: Any
    top_p: Any


CHOICE_SIGNATURE = Choice(
    tf.TensorSpec([], tf.float32, "temperature"),
    tf.TensorSpec([], tf.int32, "top_k"),
    tf.TensorSpec([], tf.float32, "top_p"),
)


class Samples(NamedTuple):
    """Replies as they are drawn, R of them.

    Attributes:
        ids: `int32 [R, 1 + T]`, the start token and the tokens so far.
        log_probs: `float32 [R]`, in nats.
        state: `float32 [R, X]`, the decoder's.
    """

    ids: tf.Tensor
    log_probs: tf.Tensor
    state: tf.Tensor


class SamplingSearch:
    """Draws each token from what an `InferenceNetwork` predicts, by a random number it is given."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def __call__(
        self,
        query_ids: tf.Tensor,
        query_lengths: tf.Tensor,
        numbers: tf.Tensor,
        penalty: Any,
        choice: Choice,
        rules: Rules = FREE,
    ) -> Hypotheses:
        """Replies to a batch of queries; call it inside a traced function.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.
            numbers: `float32 [B, N, T]` in [0, 1), from `draw_numbers`: for N replies of at most
                T tokens, their end tokens not counted; a longer one is cut and closed with the end
                token.
            penalty: `float32 []`, exponent of the length penalty in the scores.
            choice: From which tokens to draw.
            rules: What replies have to follow.

        Returns:
            N hypotheses a query, ranked by the model's own log probabilities, whatever the
            temperature.
        """
        queries, replies, longest = tf.unstack(tf.shape(numbers))
        attended, state = self._network.start(query_ids, query_lengths)
        rows = queries * replies
        numbers = tf.reshape(numbers, [rows, longest])
        numbers = tf.pad(numbers, [[0, 0], [0, 1]])
        first = Samples(tf.fill([rows, 1], GO), tf.zeros([rows]), tf.repeat(state, replies, axis=0))

        def goes_on(time: tf.Tensor, samples: Samples) -> tf.Tensor:
            return tf.logical_and(time <= longest, tf.reduce_any(samples.ids[:, -1] != EOS))

        def body(time: tf.Tensor, samples: Samples) -> Any:
            number = tf.where(time < longest, numbers[:, time], -1.0)
            return time + 1, self._advance(samples, attended, number, choice, rules)

        shapes = Samples(*(tf.TensorShape([None, *rest]) for rest in ([None], [], state.shape[1:])))
        loop = (tf.constant(0), first)
        _, found = tf.while_loop(goes_on, body, loop, (tf.TensorShape([]), shapes))
        ids = tf.reshape(found.ids[:, 1:], [queries, replies, -1])
        return rank(ids, tf.reshape(found.log_probs, [queries, replies]), penalty)

    def _advance(
        self, samples: Samples, attended: Any, number: tf.Tensor, choice: Choice, rules: Rules
    ) -> Samples:
        """Takes one step; a number below 0 means the end token."""
        last_ids = samples.ids[:, -1]
        outputs, state = self._network.advance(last_ids, attended, samples.state)[:2]
        logits = self._network.project(outputs)
        banned = find_banned(samples.ids[:, 1:], rules, self._network.filler)
        allowed = forbid(logits, banned)
        drawn = draw(allowed, number, choice)
        finished = last_ids == EOS
        drawn = tf.where(tf.logical_or(finished, number < 0.0), EOS, drawn)
        log_probs = score_tokens(self._network, outputs, logits, drawn)
        is_stuck = tf.reduce_max(allowed, axis=1) == -math.inf
        log_probs = tf.where(is_stuck, -math.inf, log_probs)
        total = samples.log_probs + tf.where(finished, 0.0, log_probs)
        return Samples(tf.concat([samples.ids, drawn[:, tf.newaxis]], axis=1), total, state)


def draw(logits: tf.Tensor, number: tf.Tensor, choice: Choice) -> tf.Tensor:
    """Draws a token for each row, by the inverse of the cumulative distribution.

    Args:
        logits: `float32 [R, V']`, some of them -inf.
        number: `float32 [R]`, in [0, 1).
        choice: From which tokens to draw.

    Returns:
        `int32 [R]`.
    """
    top_k, top_p = (tf.convert_to_tensor(x) for x in choice[1:])
    probabilities = tf.nn.softmax(logits / choice.temperature)
    size = tf.shape(logits)[1]
    few = tf.minimum(FEW, size)

    def draw_from_best(count: tf.Tensor) -> tf.Tensor:
        values, tokens = find_best(probabilities, count)
        values /= tf.where(top_k > 0, tf.reduce_sum(values, axis=1, keepdims=True), 1.0)
        before = tf.cumsum(values, axis=1, exclusive=True)
        places = invert(tf.where(before < top_p, values, 0.0), number)
        return tf.gather(tokens, places, batch_dims=1)

    def draw_from_nucleus() -> tf.Tensor:
        best, _ = find_best(probabilities, few)
        fits = tf.reduce_all(tf.reduce_sum(best, axis=1) >= top_p)
        return draw_from_best(tf.where(fits, few, size))  # sorting them all takes long

    def draw_from_some() -> tf.Tensor:
        count = tf.minimum(top_k, size)
        return tf.cond(top_k > 0, lambda: draw_from_best(count), draw_from_nucleus)

    everything = tf.logical_and(top_k == 0, top_p >= 1.0)
    return tf.cond(everything, lambda: invert(probabilities, number), draw_from_some)


def invert(weights: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Finds where the running sum of weights passes a share of their sum.

    Args:
        weights: `float32 [R, K]`, not negative, not all 0.
        number: `float32 [R]`, the share, in [0, 1).

    Returns:
        `int32 [R]`, a place with a weight above 0.
    """
    sums = tf.cumsum(weights, axis=1)
    passed = sums <= number[:, tf.newaxis] * sums[:, -1:]
    # A share that rounds up to the whole sum still belongs to the last weight.
    places = (passed, sums < sums[:, -1:])
    return tf.minimum(*(tf.math.count_nonzero(x, axis=1, dtype=tf.int32) for x in places))
