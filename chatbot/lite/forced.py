"""Given replies, step by step: how likely each token is, and what it attends to."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chatbot.lite.beam import to_log_probs
from chatbot.lite.interface import Array, Network
from chatbot.text import EOS, GO


class Forced(NamedTuple):
    """What a network computes for given replies, the longest of which has T tokens.

    Attributes:
        log_probs: `float32 [B, W, T + 1]`, each token's and then the end token's log probability
            in nats, 0 behind the end token.
        alignments: `float32 [B, W, T + 1, S]`, the share of its attention that each of them gives
            to each token of the query, 0 behind the end token; S is 0 without attention. With heads
            `[B, W, T + 1, H, S]`.
    """

    log_probs: Any
    alignments: Any


def average_heads(alignments: Array, rank: int) -> Array:
    """Takes the mean over heads, the last dimension but one, if that makes them of this rank."""
    return alignments if alignments.ndim == rank else alignments.mean(axis=-2)


def force(
    network: Network, query_ids: Array, query_lengths: Array, ids: Array, lengths: Array
) -> Forced:
    """Scores replies to a batch of queries.

    Args:
        network: What takes the steps.
        query_ids: `int32 [B, S]`, padded on the right.
        query_lengths: `int32 [B]`, at least 1.
        ids: `int32 [B, W, ...]`, W replies a query, and anything behind them.
        lengths: `int32 [B, W]`, the replies' tokens, their end tokens not counted.
    """
    steps = int(lengths.max()) + 1
    counted = np.arange(steps) <= lengths[:, :, np.newaxis]
    targets = np.full(counted.shape, EOS, np.int32)
    targets[:, :, :-1] = np.where(counted[:, :, 1:], ids[:, :, : steps - 1], EOS)
    attended, state = network.start(query_ids, query_lengths)
    state = np.repeat(state, lengths.shape[1], axis=0)
    rows, last_ids = np.arange(lengths.size), np.full(lengths.size, GO, np.int32)
    nothing = np.zeros([lengths.size, 0], np.float32)
    log_probs, alignments = [], []
    with np.errstate(invalid="ignore"):  # -inf minus -inf
        for time in range(steps):
            logits, state, attention = network.advance(last_ids, attended, state)
            last_ids = targets[:, :, time].ravel()
            normalizer = network.find_best(logits, 1).normalizer
            log_probs.append(to_log_probs(logits[rows, last_ids], normalizer))
            alignments.append(nothing if attention is None else attention)
    found = np.stack(log_probs, axis=1).reshape(counted.shape)
    looks = np.stack(alignments, axis=1).reshape(*counted.shape, *alignments[0].shape[1:])
    found[~counted] = looks[~counted] = 0.0
    return Forced(found, looks)
