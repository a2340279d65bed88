"""What every search returns, and the one formula that ranks it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.text import EOS


class Hypotheses(NamedTuple):
    """Ranked replies to a batch of queries, best first.

    Attributes:
        ids: `int32 [B, W, T]`, the replies' tokens, filled up with the end token.
        lengths: `int32 [B, W]`, tokens of each reply, its end token not counted.
        log_probs: `float32 [B, W]`, the model's log probability (nats) of the reply and its end
            token; -inf where there is no such hypothesis.
        scores: `float32 [B, W]`, what the hypotheses are sorted by.
        ranked_log_probs: `float32 [B, W]`, what the scores are computed from: the log probability
            among what the search's rules allow. Without rules, and for samples, it is `log_probs`.
    """

    ids: tf.Tensor
    lengths: tf.Tensor
    log_probs: tf.Tensor
    scores: tf.Tensor
    ranked_log_probs: tf.Tensor


def length_normalised(log_probs: tf.Tensor, lengths: tf.Tensor, penalty: Any) -> tf.Tensor:
    """Scores replies by log_prob / ((5 + tokens) / 6) ** penalty.

    This is the length penalty of Wu et al. 2016, "Google's Neural Machine Translation System",
    equation 14, where the tokens are the reply's and its end token.

    Args:
        log_probs: `float32 [...]` in nats, the end token's included.
        lengths: `int32 [...]`, the end token not counted.
        penalty: The exponent; 0 leaves the log probabilities as they are.

    Returns:
        `float32 [...]`.
    """
    tokens = tf.cast(lengths + 1, tf.float32)
    return log_probs / ((5.0 + tokens) / 6.0) ** tf.cast(penalty, tf.float32)


def count_before_end(ids: tf.Tensor) -> tf.Tensor:
    """Counts the tokens of `int32 [..., T]` before the first end token or -1: `int32 [...]`."""
    going_on = tf.cast(tf.logical_and(ids != EOS, ids >= 0), tf.int32)
    return tf.reduce_sum(tf.math.cumprod(going_on, axis=-1), axis=-1)


def rank(
    ids: tf.Tensor, log_probs: tf.Tensor, penalty: Any, shares: tf.Tensor | None = None
) -> Hypotheses:
    """Cuts hypotheses at their end tokens, scores them once and sorts them.

    Args:
        ids: `int32 [B, W, T]`, each row up to its first end token or -1.
        log_probs: `float32 [B, W]`, in nats, among what the search's rules allow.
        penalty: Exponent of the length penalty.
        shares: `float32 [B, W]`, the model's log probability minus that; None without rules.
    """
    lengths = count_before_end(ids)
    real = tf.sequence_mask(lengths, tf.shape(ids)[-1])
    ids = tf.where(real, ids, EOS)
    own = log_probs
    if shares is not None:
        exists = tf.logical_and(log_probs > -math.inf, shares > -math.inf)
        log_probs = tf.where(exists, log_probs, -math.inf)
        own = tf.where(exists, log_probs + shares, -math.inf)
    scores = length_normalised(log_probs, lengths, penalty)
    return sort(Hypotheses(ids, lengths, own, scores, log_probs))


def sort(found: Hypotheses) -> Hypotheses:
    """Sorts each query's hypotheses by their scores, the best first; equal ones stay in order."""
    order = tf.argsort(found.scores, axis=-1, direction="DESCENDING", stable=True)
    return Hypotheses(*(tf.gather(x, order, batch_dims=1) for x in found))
