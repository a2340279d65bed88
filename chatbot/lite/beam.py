"""Greedy and beam search, and the beam in groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.interface import Array, Network
from chatbot.lite.recording import Candidates
from chatbot.lite.rules import ban_unless_forced, find_forced
from chatbot.lite.walk import Beam, Chosen, walk
from chatbot.settings.config import SearchConfig
from chatbot.text import EOS


def search_with_beam(
    network: Network,
    query_ids: Array,
    query_lengths: Array,
    settings: SearchConfig,
    steps: list[Candidates] | None = None,
    prefix: Sequence[int] = (),
) -> Hypotheses:
    """Replies to a batch of queries with the likeliest hypotheses; a width of 1 is greedy search.

    The beam keeps the hypotheses with the highest log probabilities among what the rules allow; the
    finished ones are then scored once, with their end tokens counted, and sorted.

    More than one group is the search of Vijayakumar et al. 2016, "Diverse Beam Search", with
    Hamming diversity. At each step the groups choose one after the other. A continuation loses
    `diversity_strength` for each hypothesis of an earlier group that takes the same token at this
    step, unless it is the end token. The loss affects this choice alone: log probabilities stay as
    they are.

    Args:
        network: What takes the steps.
        query_ids: `int32 [B, S]`, padded on the right.
        query_lengths: `int32 [B]`, at least 1.
        settings: How to search.
        steps: If it is a list, one plain query's steps are appended to it, each with as many
            dropped hypotheses as kept ones.
        prefix: Tokens that every reply begins with. They count in scores and rules; one that the
            rules forbid counts as if its step had none.

    Returns:
        `beam_size` hypotheses a query.
    """
    groups = 1 if settings.beam_size == 1 or steps is not None else settings.diverse_groups

    def choose(logits: Array, beam: Beam) -> Chosen:
        forced = find_forced(beam.said.shape[2] - 1, settings, prefix)
        count = settings.beam_size * (1 if steps is None else 2)
        total, tokens, shares = _continue(network, logits, beam, settings, count, forced)
        if steps is not None:
            steps.append(_record(total, tokens, settings.beam_size))
        if total.shape[1:] == (1, 1):  # greedy search has nothing to choose
            return Chosen(
                tokens[:, :, 0], total[:, :, 0], shares, np.arange(len(total))[:, np.newaxis]
            )
        if groups > 1:
            places = _choose_in_groups(total, tokens, settings, network.vocab_size)
        else:
            places = find_largest(total.reshape(len(total), -1), settings.beam_size)
        _, width, count = total.shape
        places += np.arange(len(places))[:, np.newaxis] * (width * count)
        parents = places // count
        return Chosen(tokens.take(places), total.take(places), shares.take(parents), parents)

    return walk(network, query_ids, query_lengths, settings, groups, choose)


def _continue(
    network: Network,
    logits: Array,
    beam: Beam,
    settings: SearchConfig,
    count: int,
    forced: int | None,
) -> tuple[Array, Array, Array]:
    """Finds the `count` likeliest continuations of each hypothesis, or the forced one.

    Returns:
        The whole hypotheses' log probabilities `float32 [Q, W', K]`, their tokens `int [Q, W', K]`,
        and the shares of the hypotheses after this step `float32 [Q, W']`.
    """
    queries, width, time = beam.said.shape
    lost = ban_unless_forced(logits, beam.said.reshape(-1, time)[:, 1:], settings, forced)
    if forced is not None:
        _, tokens, normalizer = network.find_best(logits, 1)
        values = logits[:, forced : forced + 1]
        tokens = np.full_like(tokens, forced)
    else:
        values, tokens, normalizer = network.find_best(logits, min(count, network.vocab_size))
    log_probs = to_log_probs(values, normalizer[:, np.newaxis]).reshape(queries, width, -1)
    tokens = tokens.reshape(log_probs.shape)
    shares = beam.shares
    if lost is not None:
        allowed = to_log_probs(normalizer, np.logaddexp(normalizer, lost))
        shares = shares + allowed.reshape(queries, width)
    finished = beam.find_finished()
    if finished.any():
        tokens[finished] = EOS
        log_probs[finished] = -np.inf
        log_probs[finished, 0] = 0.0
        shares = np.where(finished, beam.shares, shares)
    return beam.log_probs[:, :, np.newaxis] + log_probs, tokens, shares


def to_log_probs(logits: Array, normalizer: Array) -> Array:
    """Subtracts a normalizer; gives -inf where there is nothing to normalize by, or no number."""
    return np.fmax(logits - normalizer, np.float32(-np.inf))


def find_largest(scores: Array, count: int) -> Array:
    """Finds the places `int64 [Q, count]` of the largest scores `float32 [Q, N]`, largest first.

    If there are no more than `count` scores, all are sorted. Equal ones stay in order, unless some
    of them have to go.
    """
    negative = -scores
    if count >= scores.shape[1]:
        return np.argsort(negative, axis=1, kind="stable")
    some = np.sort(np.argpartition(negative, count - 1, axis=1)[:, :count], axis=1)
    rows = np.arange(len(some))[:, np.newaxis]
    return some[rows, np.argsort(negative[rows, some], axis=1, kind="stable")]


def _choose_in_groups(
    total: Array, tokens: Array, settings: SearchConfig, vocab_size: int
) -> Array:
    """Chooses each group's continuations; returns their places in `[W' * K]`."""
    queries, width, count = total.shape
    inside = width // settings.diverse_groups * count  # continuations of a group
    size = settings.beam_size // settings.diverse_groups
    flat, taken = tokens.reshape(queries, -1), np.zeros([queries, vocab_size], np.float32)
    rows = np.arange(queries)[:, np.newaxis]
    chosen = []
    for begin in range(0, width * count, inside):
        mine = flat[:, begin : begin + inside]
        loss = np.float32(settings.diversity_strength) * taken[rows, mine]
        scores = total.reshape(queries, -1)[:, begin : begin + inside] - loss
        places = find_largest(scores, size) + begin
        np.add.at(taken, (rows, flat[rows, places]), 1.0)
        taken[:, EOS] = 0.0
        chosen.append(places)
    return np.concatenate(chosen, axis=1)


def _record(total: Array, tokens: Array, beam_size: int) -> Candidates:
    count = total.shape[2]
    places = find_largest(total.reshape(1, -1), 2 * beam_size)[0]
    log_probs = total.take(places)
    real = log_probs > -np.inf
    kept = int(np.count_nonzero(real[:beam_size]))
    places = places[real]
    return Candidates(tokens.take(places), places // count, log_probs[real], kept)
