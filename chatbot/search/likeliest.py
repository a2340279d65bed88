"""The likeliest next tokens, found without looking at all probabilities."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.network.inference import GROUP
from chatbot.search.rules import forbid, share_allowed
from chatbot.text import EOS, SPECIAL_TOKENS

SPARE = 3
"""How many more tokens than a search needs have coarse logits computed again."""


class Likeliest(NamedTuple):
    """The likeliest tokens that may come next, for R rows.

    Attributes:
        log_probs: `float32 [R, K]` in nats, among what is allowed; -inf where nothing is left.
        tokens: `int32 [R, K]`.
        end: `float32 [R]`, the end token's log probability among what is allowed.
        share: `float32 [R]`, the logarithm of the model's probability of all allowed tokens.
    """

    log_probs: tf.Tensor
    tokens: tf.Tensor
    end: tf.Tensor
    share: tf.Tensor


def find_best(logits: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the largest logits of each row.

    The `count` largest are all in the `count` groups with the largest maxima. Where these are few,
    only they are searched, which is five times as fast as searching all logits.

    Args:
        logits: `float32 [R, V']`, V' a multiple of `GROUP`.
        count: `int32 []`, how many, at most V'.

    Returns:
        The logits `float32 [R, count]`, the largest first, and their places `int32`.
    """
    groups = logits.shape[-1] // GROUP

    def search_groups() -> tuple[tf.Tensor, tf.Tensor]:
        grouped = tf.reshape(logits, [-1, groups, GROUP])
        _, chosen = tf.math.top_k(tf.reduce_max(grouped, axis=-1), count)
        inside = tf.reshape(tf.gather(grouped, chosen, batch_dims=1), [-1, count * GROUP])
        values, places = tf.math.top_k(inside, count)
        group = tf.gather(chosen, places // GROUP, batch_dims=1)
        return values, group * GROUP + places % GROUP

    few = 2 * count < groups
    return tf.cond(few, search_groups, lambda: tuple(tf.math.top_k(logits, count)))  # type: ignore[no-any-return]


def find_likeliest(
    network: Any, outputs: tf.Tensor, mask: tf.Tensor, repeats: tf.Tensor, count: tf.Tensor
) -> Likeliest:
    """Finds the tokens that are likeliest to come next, and exact logits where they are coarse.

    Args:
        network: An `InferenceNetwork`.
        outputs: `float32 [R, U]`, what it projects.
        mask: `float32 [V']`, -inf for a token that may not come in any row, else 0.
        repeats: `int32 [R, J]`, other tokens that may not come.
        count: `int32 []`, how many to find, K.
    """
    asked = count if network.is_exact else count + SPARE
    logits, lost = _forbid(network.project(outputs), mask, repeats)
    values, tokens = find_best(logits, tf.minimum(asked, network.vocab_size))
    # If logits are not numbers, the best one may be behind the vocabulary.
    tokens = tf.minimum(tokens, network.vocab_size - 1)
    largest = tf.gather(tf.nn.softmax(logits), tokens[:, :1], batch_dims=1)
    # The largest probability is exp(its logit) / denominator, and never too small for a log.
    normalizer = values[:, 0] - tf.math.log(largest[:, 0])
    end = logits[:, EOS]
    if not network.is_exact:
        values, tokens, end, normalizer = _refine(
            network, outputs, Likeliest(values, tokens, end, normalizer), count
        )
    return Likeliest(
        _subtract(values, normalizer[:, tf.newaxis]),
        tokens,
        _subtract(end, normalizer),
        share_allowed(normalizer, lost),
    )


def _forbid(logits: tf.Tensor, mask: tf.Tensor, repeats: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Bans tokens from logits; also returns the banned tokens' logits, `[R, 5 + J]`."""
    fixed = len(SPECIAL_TOKENS)  # they come first, and only they can be masked
    lost = tf.where(mask[:fixed] < 0.0, logits[:, :fixed], -math.inf)
    any_repeats = tf.shape(repeats)[1] > 0
    lost = tf.cond(
        any_repeats,
        lambda: tf.concat([lost, tf.gather(logits, repeats, batch_dims=1)], axis=1),
        lambda: lost,
    )
    with tf.control_dependencies([lost]):  # once nothing else needs the logits, this copies nothing
        logits = logits + mask
    return tf.cond(any_repeats, lambda: forbid(logits, repeats), lambda: logits), lost


def _refine(
    network: Any, outputs: tf.Tensor, coarse: Likeliest, count: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """Computes logits again in float32: the best and their tokens, the end's, the normalizer."""
    values, tokens, end, normalizer = coarse
    ended = tf.pad(tokens, [[0, 0], [0, 1]], constant_values=EOS)
    logits = network.project_exactly(outputs, ended)
    # Banned tokens stay banned.
    exact = tf.where(values > -math.inf, logits[:, :-1], -math.inf)
    end = tf.where(end > -math.inf, logits[:, -1], -math.inf)
    shift = normalizer[:, tf.newaxis]
    gained = tf.reduce_sum(tf.exp(exact - shift) - tf.exp(values - shift), axis=1)
    exact, order = tf.math.top_k(exact, count)
    tokens = tf.gather(tokens, order, batch_dims=1)
    return exact, tokens, end, normalizer + tf.math.log1p(gained)


def score_tokens(
    network: Any, outputs: tf.Tensor, logits: tf.Tensor, tokens: tf.Tensor
) -> tf.Tensor:
    """Computes the log probabilities of given next tokens.

    Where the products are coarse, the logits of these and of the likeliest tokens are computed
    again in float32.

    Args:
        network: An `InferenceNetwork`.
        outputs: `float32 [R, U]`, what it projects.
        logits: `float32 [R, V']`, its projection.
        tokens: `int32 [R]`.

    Returns:
        `float32 [R]` in nats.
    """
    normalizer = tf.reduce_logsumexp(logits, axis=1)
    if network.is_exact:
        return tf.gather(logits, tokens, batch_dims=1) - normalizer
    values, best = find_best(logits, tf.minimum(SPARE + 1, network.vocab_size))
    best = tf.minimum(best, network.vocab_size - 1)
    exact = network.project_exactly(outputs, tf.concat([best, tokens[:, tf.newaxis]], axis=1))
    shift = normalizer[:, tf.newaxis]
    gained = tf.reduce_sum(tf.exp(exact[:, :-1] - shift) - tf.exp(values - shift), axis=1)
    return exact[:, -1] - normalizer - tf.math.log1p(gained)


def _subtract(logits: tf.Tensor, normalizer: tf.Tensor) -> tf.Tensor:
    """Normalizes logits; -inf stays -inf, even where nothing is allowed to normalize by."""
    return tf.where(logits > -math.inf, logits - normalizer, -math.inf)
