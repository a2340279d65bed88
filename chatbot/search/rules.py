"""What a search may not say, at a step, after what it has said."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.text import EOS, GO, PAD, SEP, UNK

NO_WORDS = (PAD, GO, UNK, SEP)
"""Special tokens that nobody says: all but the end token."""


class Rules(NamedTuple):
    """What replies have to keep to, all scalars.

    What is forbidden has no probability at its step, and what is allowed shares it all in
    proportion.

    Attributes:
        min_reply_length: `int32`, fewest tokens in a reply, its end token not counted.
        no_repeat_ngram: `int32`, no run of so many tokens stands in a reply twice (Paulus et al.
            2018, "A Deep Reinforced Model for Abstractive Summarization"); 0 for no such rule.
        ban_unk: `bool`, whether the unknown token and the others of `NO_WORDS` are never said.
    """

    min_reply_length: Any
    no_repeat_ngram: Any
    ban_unk: Any


FREE = Rules(0, 0, False)
"""No rule at all."""
RULES_SIGNATURE = Rules(
    tf.TensorSpec([], tf.int32, "min_reply_length"),
    tf.TensorSpec([], tf.int32, "no_repeat_ngram"),
    tf.TensorSpec([], tf.bool, "ban_unk"),
)


def find_banned(said: tf.Tensor, rules: Rules, nothing: Any) -> tf.Tensor:
    """Finds the tokens that may not come next.

    Args:
        said: `int32 [R, T]`, each row's tokens so far.
        rules: What to keep to.
        nothing: `int32 []`, a token that is impossible anyway, written where there is no other.

    Returns:
        `int32 [R, J]`; in a row no token but `nothing` stands twice.
    """
    rows, time = tf.unstack(tf.shape(said))
    no_words = tf.where(rules.ban_unk, tf.constant(NO_WORDS), nothing)
    end = tf.where(time < rules.min_reply_length, EOS, nothing)
    fixed = tf.tile(tf.concat([no_words, [end]], axis=0)[tf.newaxis], [rows, 1])
    return tf.concat([fixed, find_repeats(said, rules.no_repeat_ngram, nothing)], axis=1)


def find_repeats(said: tf.Tensor, size: Any, nothing: Any) -> tf.Tensor:
    """Finds the tokens that would end a run of tokens that was said before.

    Args:
        said: `int32 [R, T]`, each row's tokens so far.
        size: `int32 []`, tokens in such a run, N; 0 for none.
        nothing: `int32 []`, written where a token stands already or need not be named.

    Returns:
        `int32 [R, T - N + 1]`, or `[R, 0]` where nothing can be repeated.
    """
    size = tf.convert_to_tensor(size)
    rows, time = tf.unstack(tf.shape(said))
    return tf.cond(
        tf.logical_and(size > 0, time >= size),
        lambda: _compare_runs(said, size, nothing),
        lambda: tf.zeros([rows, 0], tf.int32),
    )


def _compare_runs(said: tf.Tensor, size: tf.Tensor, nothing: Any) -> tf.Tensor:
    rows, time = tf.unstack(tf.shape(said))
    runs = time - size + 1

    def compare(place: tf.Tensor, is_said: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        latest = said[:, runs + place, tf.newaxis]
        return place + 1, tf.logical_and(is_said, said[:, place : place + runs] == latest)

    shapes = (tf.TensorShape([]), tf.TensorShape([None, None]))
    first = (tf.constant(0), tf.fill([rows, runs], True))
    _, is_said = tf.while_loop(lambda place, _: place < size - 1, compare, first, shapes)
    found = tf.sort(tf.where(is_said, said[:, size - 1 :], nothing), axis=1)
    is_new = tf.pad(found[:, 1:] != found[:, :-1], [[0, 0], [1, 0]], constant_values=True)
    return tf.where(is_new, found, nothing)


class Masks(NamedTuple):
    """What is added to all logits, so that the tokens that are banned for all rows have none.

    Attributes:
        early: `float32 [V']`, as long as replies are shorter than they have to be.
        late: `float32 [V']`, from then on.
    """

    early: tf.Tensor
    late: tf.Tensor


def make_masks(rules: Rules, size: int) -> Masks:
    """Makes the masks of the rules that are the same for all rows.

    Args:
        rules: What to keep to.
        size: Logits of a row, V'.

    Returns:
        The masks, -inf or 0.
    """
    tokens = tf.range(size)
    is_no_word = tf.reduce_any(tokens[:, tf.newaxis] == tf.constant(NO_WORDS), axis=1)
    late = tf.where(tf.logical_and(rules.ban_unk, is_no_word), -math.inf, 0.0)
    return Masks(tf.where(tokens == EOS, -math.inf, late), late)


def forbid(logits: tf.Tensor, banned: tf.Tensor) -> tf.Tensor:
    """Takes all probability from tokens.

    Args:
        logits: `float32 [R, V']`.
        banned: `int32 [R, J]`.

    Returns:
        `float32 [R, V']`, -inf where a token is banned.
    """
    rows, count = tf.unstack(tf.shape(banned))
    numbers = tf.repeat(tf.range(rows), count)
    places = tf.stack([numbers, tf.reshape(banned, [-1])], axis=1)
    return tf.tensor_scatter_nd_update(logits, places, tf.fill([rows * count], -math.inf))


def share_allowed(allowed: tf.Tensor, banned: tf.Tensor) -> tf.Tensor:
    """Computes the share of the model's probability that the rules have left.

    Args:
        allowed: `float32 [R]`, logarithm of the sum of the allowed tokens' exponentials.
        banned: `float32 [R, J]`, the banned tokens' logits.

    Returns:
        `float32 [R]`, the share's logarithm: what a log probability among allowed tokens is too
        great by.
    """
    everything = tf.concat([allowed[:, tf.newaxis], banned], axis=1)
    return tf.nn.log_softmax(everything)[:, 0]
