"""Sampling: replies drawn at random from the model's distribution, or from a sharpened one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from chatbot.lite.beam import to_log_probs
from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.interface import Array, Network
from chatbot.lite.rules import ban_unless_forced, find_forced
from chatbot.lite.walk import Beam, Chosen, walk
from chatbot.settings.config import SearchConfig
from chatbot.text import EOS

FEW = 256
"""Likeliest tokens that are searched for the nucleus before more are sorted."""


def sample(
    network: Network,
    query_ids: Array,
    query_lengths: Array,
    numbers: Array,
    settings: SearchConfig,
    prefix: Sequence[int] = (),
) -> Hypotheses:
    """Draws replies to a batch of queries.

    Args:
        network: What takes the steps.
        query_ids: `int32 [B, S]`, padded on the right.
        query_lengths: `int32 [B]`, at least 1.
        numbers: `float32 [B, N, T]` in [0, 1), from `draw_numbers`: for the N of `beam_size` and
            the T of `max_reply_length`.
        settings: How to search.
        prefix: As in `search_with_beam`.

    Returns:
        N hypotheses a query, ranked by the model's own log probabilities, whatever the temperature.
    """

    def choose(logits: Array, beam: Beam) -> Chosen:
        shape, time = beam.log_probs.shape, beam.said.shape[2] - 1
        normalizer = network.find_best(logits, 1).normalizer
        forced = find_forced(time, settings, prefix)
        ban_unless_forced(logits, beam.said.reshape(-1, time + 1)[:, 1:], settings, forced)
        following: Array | int | None = forced
        if following is None:
            number = numbers[beam.queries, :, time].ravel()
            following = draw(network, logits, number, settings)
        rows, finished = np.arange(len(logits)), beam.find_finished()
        tokens = np.where(finished.ravel(), EOS, following)
        log_probs = to_log_probs(logits[rows, tokens], normalizer).reshape(shape)
        total = beam.log_probs + np.where(finished, np.float32(0), log_probs)
        return Chosen(tokens.reshape(shape), total, beam.shares, rows.reshape(shape))

    return walk(network, query_ids, query_lengths, settings, settings.beam_size, choose)


def draw(network: Network, logits: Array, number: Array, settings: SearchConfig) -> Array:
    """Draws a token for each row, by the inverse of the cumulative distribution.

    Args:
        network: What finds the largest logits.
        logits: `float32 [R, V]`, some of them -inf.
        number: `float32 [R]`, in [0, 1).
        settings: From which tokens to draw: the logits are divided by `temperature`; `top_k` draws
            from the likeliest (Fan et al. 2018, "Hierarchical Neural Story Generation"), and
            `top_p` from the fewest that together have this probability (Holtzman et al. 2020, "The
            Curious Case of Neural Text Degeneration").

    Returns:
        `int64 [R]`.
    """
    if settings.temperature != 1.0:
        logits = logits / np.float32(settings.temperature)
    if settings.top_k == 0 and settings.top_p >= 1.0:
        weights = logits - logits.max(axis=1, keepdims=True)
        return invert(np.exp(weights, out=weights), number)
    tokens, weights = _find_nucleus(network, logits, settings)
    before = np.zeros_like(weights)
    np.cumsum(weights[:, :-1], axis=1, out=before[:, 1:])
    weights[before >= np.float32(settings.top_p)] = 0.0
    return tokens[np.arange(len(tokens)), invert(weights, number)]


def _find_nucleus(network: Network, logits: Array, settings: SearchConfig) -> tuple[Array, Array]:
    """Finds the likeliest tokens `int64 [R, K]`, and their probabilities `float32 [R, K]`.

    These are the `top_k`, which share all probability, or so many that no nucleus has more.
    """
    count = settings.top_k or FEW
    while True:
        count = min(count, network.vocab_size)
        values, tokens, normalizer = network.find_best(logits, count)
        weights = np.exp(to_log_probs(values, normalizer[:, np.newaxis]))
        sums = weights.sum(axis=1, keepdims=True)
        if settings.top_k:
            return tokens, weights / sums
        if count == network.vocab_size or np.all((sums >= settings.top_p) | (sums == 0.0)):
            return tokens, weights
        count *= 8


def invert(weights: Array, number: Array) -> Array:
    """Finds where the running sum of weights passes a share of their sum.

    Args:
        weights: `float32 [R, K]`, not negative; they are overwritten.
        number: `float32 [R]`, the share, in [0, 1).

    Returns:
        `int64 [R]`, a place with a weight above 0 if there is one.
    """
    sums = np.cumsum(weights, axis=1, out=weights)
    share = number * sums[:, -1]  # also rounded it is below the sum, unless the sum is 0
    places = np.count_nonzero(sums <= share[:, np.newaxis], axis=1)
    return np.minimum(places, weights.shape[1] - 1)


def draw_numbers(queries: Sequence[Sequence[int]], seed: int, replies: int, longest: int) -> Any:
    """Draws the numbers that samples are chosen by, `float32 [B, N, T]` in [0, 1).

    A query's numbers depend on the seed and on its tokens alone: in a batch it gets the replies
    that it gets alone, and different queries get independent ones.

    Args:
        queries: The queries' tokens.
        seed: Any number from 0.
        replies: Replies for each query, N.
        longest: Most tokens in a reply, T.
    """
    rows = []
    for query in queries:
        name = f"{seed}:{','.join(map(str, query))}".encode()
        words = np.frombuffer(hashlib.blake2b(name, digest_size=16).digest(), "<u8")
        generator = np.random.Generator(np.random.Philox(key=words))
        rows.append(generator.random([replies, longest], np.float32))
    return np.stack(rows)
