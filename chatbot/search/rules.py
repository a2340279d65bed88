"""Rules for replies: which tokens may not come next, given the tokens so far."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.lite.rules import NO_WORDS
from chatbot.text import EOS


class Rules(NamedTuple):
    """What replies have to follow, all scalars.

    A banned token has no probability at its step; the allowed ones share it all in proportion.

    Attributes:
        min_reply_length: `int32`, fewest tokens in a reply, its end token not counted.
        no_repeat_ngram: `int32`, no run of this many tokens occurs in a reply twice (Paulus et al.
            2018, "A Deep Reinforced Model for Abstractive Summarization"); 0 for no such rule.
        ban_unk: `bool`, whether the unknown token and the others of `NO_WORDS` are banned.
    """

    min_reply_length: Any
    no_repeat_ngram: Any
    ban_unk: Any


FREE = Rules(0, 0, False)
"""No rules."""
RULES_SIGNATURE = Rules(
    tf.TensorSpec([], tf.int32, "min_reply_length"),
    tf.TensorSpec([], tf.int32, "no_repeat_ngram"),
    tf.TensorSpec([], tf.bool, "ban_unk"),
)


def find_banned(said: tf.Tensor, rules: Rules, filler: Any) -> tf.Tensor:
    """Finds the tokens that may not come next.

    Args:
        said: `int32 [R, T]`, each row's tokens so far.
        rules: What to follow.
        filler: `int32 []`, an impossible token that fills up the rows.

    Returns:
        `int32 [R, J]`; in a row no token except the filler occurs twice.
    """
    rows, time = tf.unstack(tf.shape(said))
    no_words = tf.where(rules.ban_unk, tf.constant(NO_WORDS), filler)
    end = tf.where(time < rules.min_reply_length, EOS, filler)
    fixed = tf.tile(tf.concat([no_words, [end]], axis=0)[tf.newaxis], [rows, 1])
    return tf.concat([fixed, find_repeats(said, rules.no_repeat_ngram, filler)], axis=1)


def find_repeats(said: tf.Tensor, size: Any, filler: Any) -> tf.Tensor:
    """Finds the tokens that would repeat a run of tokens.

    Args:
        said: `int32 [R, T]`, each row's tokens so far.
        size: `int32 []`, tokens in such a run, N; 0 for none.
        filler: `int32 []`, fills up the rows.

    Returns:
        `int32 [R, T - N + 1]`, or `[R, 0]` where nothing can be repeated.
    """
    size = tf.convert_to_tensor(size)
    rows, time = tf.unstack(tf.shape(said))
    return tf.cond(
        tf.logical_and(size > 0, time >= size),
        lambda: _compare_runs(said, size, filler),
        lambda: tf.zeros([rows, 0], tf.int32),
    )


def _compare_runs(said: tf.Tensor, size: tf.Tensor, filler: Any) -> tf.Tensor:
    rows, time = tf.unstack(tf.shape(said))
    runs = time - size + 1

    def compare(place: tf.Tensor, same: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        latest = said[:, runs + place, tf.newaxis]
        return place + 1, tf.logical_and(same, said[:, place : place + runs] == latest)

    shapes = (tf.TensorShape([]), tf.TensorShape([None, None]))
    first = (tf.constant(0), tf.fill([rows, runs], True))
    _, same = tf.while_loop(lambda place, _: place < size - 1, compare, first, shapes)
    found = tf.sort(tf.where(same, said[:, size - 1 :], filler), axis=1)
    is_new = tf.pad(found[:, 1:] != found[:, :-1], [[0, 0], [1, 0]], constant_values=True)
    return tf.where(is_new, found, filler)


class Masks(NamedTuple):
    """What is added to logits to ban the tokens that are banned for all rows.

    Attributes:
        early: `float32 [V']`, while replies are shorter than they have to be.
        late: `float32 [V']`, from then on.
    """

    early: tf.Tensor
    late: tf.Tensor


def make_masks(rules: Rules, size: int) -> Masks:
    """Makes the masks, 0 or -inf, for `size` logits, V'."""
    tokens = tf.range(size)
    is_no_word = tf.reduce_any(tokens[:, tf.newaxis] == tf.constant(NO_WORDS), axis=1)
    late = tf.where(tf.logical_and(rules.ban_unk, is_no_word), -math.inf, 0.0)
    return Masks(tf.where(tokens == EOS, -math.inf, late), late)


def forbid(logits: tf.Tensor, banned: tf.Tensor) -> tf.Tensor:
    """Sets the logits `float32 [R, V']` of banned tokens `int32 [R, J]` to -inf."""
    rows, count = tf.unstack(tf.shape(banned))
    numbers = tf.repeat(tf.range(rows), count)
    places = tf.stack([numbers, tf.reshape(banned, [-1])], axis=1)
    return tf.tensor_scatter_nd_update(logits, places, tf.fill([rows * count], -math.inf))


def share_allowed(allowed: tf.Tensor, banned: tf.Tensor) -> tf.Tensor:
    """Computes the share of the model's probability that allowed tokens have.

    Args:
        allowed: `float32 [R]`, the logsumexp of the allowed tokens' logits.
        banned: `float32 [R, J]`, the banned tokens' logits.

    Returns:
        `float32 [R]`, the share's logarithm: added to a log probability among allowed tokens, it
        gives the model's.
    """
    everything = tf.concat([allowed[:, tf.newaxis], banned], axis=1)
    return tf.nn.log_softmax(everything)[:, 0]
