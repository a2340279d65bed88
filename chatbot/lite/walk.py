"""The loop that every search takes: step by step, until all replies have their end tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from chatbot.lite.hypotheses import Hypotheses, rank
from chatbot.lite.interface import Array, Network
from chatbot.settings.config import SearchConfig
from chatbot.text import EOS, GO

MOST_LEFT = 0.9
"""Once only this share of the queries goes on, the others are dropped from the steps."""


class Beam(NamedTuple):
    """The hypotheses of Q queries after T steps, each with W' of them.

    Attributes:
        queries: `int64 [Q]`, their places in the batch.
        said: `int32 [Q, W', 1 + T]`, the start token and the tokens so far; behind an end token
            only end tokens follow.
        log_probs: `float32 [Q, W']`, in nats, among what the rules allow; -inf where there is no
            such hypothesis.
        shares: `float32 [Q, W']`, the model's log probability minus that.
    """

    queries: Array
    said: Array
    log_probs: Array
    shares: Array

    def find_finished(self) -> Array:
        """Returns which hypotheses have their end tokens, `bool [Q, W']`."""
        return self.said[:, :, -1] == EOS


class Chosen(NamedTuple):
    """What follows a step: W" hypotheses of each query.

    Attributes:
        tokens: `int [Q, W"]`, their last tokens.
        log_probs: `float32 [Q, W"]`.
        shares: `float32 [Q, W"]`.
        parents: `int [Q, W"]`, which of the `Q * W'` rows they continue.
    """

    tokens: Array
    log_probs: Array
    shares: Array
    parents: Array


Choose = Callable[[Array, Beam], Chosen]
"""From a step's logits `float32 [Q * W', V]` and the beam before it to what follows."""


def walk(
    network: Network,
    query_ids: Array,
    query_lengths: Array,
    settings: SearchConfig,
    first_width: int,
    choose: Choose,
) -> Hypotheses:
    """Replies to a batch of queries.

    Args:
        network: What takes the steps.
        query_ids: `int32 [B, S]`, padded on the right.
        query_lengths: `int32 [B]`, at least 1.
        settings: How to search.
        first_width: Empty hypotheses of each query before the first step.
        choose: Chooses what follows: behind `max_reply_length` tokens, the end token.

    Returns:
        `beam_size` hypotheses a query.
    """
    attended, state = network.start(query_ids, query_lengths)
    shape = (len(state), first_width)
    zeros = np.zeros(shape, np.float32)
    beam = Beam(np.arange(len(state)), np.full([*shape, 1], GO, np.int32), zeros, zeros)
    state, ended = np.repeat(state, first_width, axis=0), []
    with np.errstate(invalid="ignore"):  # -inf minus -inf
        while True:
            step = network.advance(beam.said[:, :, -1].ravel(), attended, state)
            chosen = choose(step.logits, beam)
            beam, parents = _append(beam, chosen), chosen.parents
            goes_on = _find_unended(beam)
            left = np.count_nonzero(goes_on)
            if left <= MOST_LEFT * len(goes_on):
                ended.append(_take(beam, ~goes_on))
                if left == 0:
                    break
                beam, parents = _take(beam, goes_on), parents[goes_on]
                attended = network.select(attended, np.flatnonzero(goes_on))
            state = step.state.take(parents.ravel(), axis=0)
    return _collect(ended, (shape[0], settings.beam_size), settings.length_penalty)


def _append(beam: Beam, chosen: Chosen) -> Beam:
    said = beam.said.reshape(-1, beam.said.shape[2])[chosen.parents]
    tokens = chosen.tokens[:, :, np.newaxis].astype(np.int32)
    said = np.concatenate([said, tokens], axis=2)
    return Beam(beam.queries, said, chosen.log_probs, chosen.shares)


def _find_unended(beam: Beam) -> Array:
    """Returns which queries have a hypothesis that goes on, `bool [Q]`."""
    return ((beam.said[:, :, -1] != EOS) & (beam.log_probs > -np.inf)).any(axis=1)


def _take(beam: Beam, chosen: Array) -> Beam:
    return Beam(*(part[chosen] for part in beam))


def _collect(parts: list[Beam], shape: tuple[int, int], penalty: float) -> Hypotheses:
    """Ranks the hypotheses of all queries, `[B, W]`."""
    ids = np.full([*shape, parts[-1].said.shape[2] - 1], EOS, np.int32)
    log_probs = np.full(shape, -np.inf, np.float32)
    shares = np.zeros(shape, np.float32)
    for queries, said, *values in parts:
        _, width, length = said.shape
        ids[queries, :width, : length - 1] = said[:, :, 1:]
        log_probs[queries, :width], shares[queries, :width] = values
    return rank(ids, log_probs, shares, penalty)
