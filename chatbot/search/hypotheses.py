"""The ranking of what a search has found."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from chatbot.lite.hypotheses import Hypotheses
from chatbot.text import EOS


def length_normalised(log_probs: tf.Tensor, lengths: tf.Tensor, penalty: Any) -> tf.Tensor:
    """Scores replies by the formula of `chatbot.lite.hypotheses`."""
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
