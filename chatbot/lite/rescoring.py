"""Scores that ask more of a reply than its log probability.

    score = (ranked_log_prob - mmi_weight * M) / ((5 + tokens) / 6) ** length_penalty
            + coverage_penalty * C

    M  the log probability of the reply's first `mmi_tokens` tokens, the end token among them, given
       an empty query (one unknown token, as the chat reads it): high for a reply to any query
    C  sum over the query's tokens of log(min(1, a)), a the attention that all tokens of the reply,
       the end token among them, give to it: low where part of the query was left unread

M is the anti-language model of Li et al. 2016, "A Diversity-Promoting Objective Function for Neural
Conversation Models"; they train a language model for it, here the network itself answers an empty
query. C is the coverage penalty in equation 14 of Wu et al. 2016, "Google's Neural Machine
Translation System".
"""

from __future__ import annotations

import numpy as np

from chatbot.lite.beam import to_log_probs
from chatbot.lite.forced import average_heads, force
from chatbot.lite.hypotheses import Hypotheses, length_normalised, sort
from chatbot.lite.interface import Array, Network
from chatbot.settings.config import SearchConfig
from chatbot.text import UNK

LEAST = 1e-30
"""Attention below this counts as this, so that a token without any has a logarithm."""


def rescore(
    network: Network,
    query_ids: Array,
    query_lengths: Array,
    found: Hypotheses,
    settings: SearchConfig,
) -> Hypotheses:
    """Scores the hypotheses of a batch of queries by the formula above, and sorts them.

    Args:
        network: What takes the steps.
        query_ids: `int32 [B, S]`, padded on the right.
        query_lengths: `int32 [B]`, at least 1.
        found: What a search has found.
        settings: The weights of the parts of a score; a part without weight is not computed.

    Returns:
        The same hypotheses, the best score first; one that does not exist stays at -inf.
    """
    log_probs, covered = found.ranked_log_probs, 0.0
    if settings.mmi_weight:
        common = measure_commonness(network, found, settings.mmi_tokens)
        with np.errstate(invalid="ignore"):
            log_probs = to_log_probs(log_probs, settings.mmi_weight * common)
    if settings.coverage_penalty:
        covered = _measure_coverage(network, query_ids, query_lengths, found)
    scores = length_normalised(log_probs, found.lengths, settings.length_penalty)
    scores = scores + np.float32(settings.coverage_penalty) * covered
    return sort(found._replace(scores=scores))


def measure_commonness(network: Network, found: Hypotheses, count: int) -> Array:
    """Computes M, `float32 [B, W]`."""
    # An empty query is the same for all, so all replies are replies to one.
    ids = found.ids.reshape(1, -1, found.ids.shape[2])
    lengths = np.minimum(found.lengths.reshape(1, -1), count)  # what follows does not count
    query = (np.array([[UNK]], np.int32), np.array([1], np.int32))
    forced = force(network, *query, ids, lengths)
    return forced.log_probs[:, :, :count].sum(axis=2).reshape(found.scores.shape)


def _measure_coverage(
    network: Network, query_ids: Array, query_lengths: Array, found: Hypotheses
) -> Array:
    """Computes C, `float32 [B, W]`."""
    forced = force(network, query_ids, query_lengths, found.ids, found.lengths)
    total = average_heads(forced.alignments, 4).sum(axis=2)  # [B, W, S]
    real = np.arange(total.shape[2]) < query_lengths[:, np.newaxis, np.newaxis]
    return np.log(np.clip(total, LEAST, 1.0)).sum(axis=2, where=real)
