"""Filtering by entropy: pairs whose turns have too many different partners are not learned.

From Csaky et al. 2019, "Improving Neural Conversational Models with Entropy-Based Data Filtering",
the IDENTITY method: turns are the same if all their ids are, so that words outside the vocabulary
and what was cut make no difference. The entropy of a reply is that of the queries it answers,

    H(reply) = -sum over queries of p(query | reply) log2 p(query | reply)

in bits, and that of a query the same over its replies; p is the share among the corpus' pairs. A
reply to anything, such as "yes .", has a high one. A query is the turn to reply to, without those
before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from chatbot.dataset.encoded_corpus import EncodedCorpus
from chatbot.errors import ChatbotError
from chatbot.text import EOS, Vocabulary, drop_slots

SIDES = {"reply": "reply", "query": "query", "both": "query or reply"}
Hashes = npt.NDArray[np.uint64]


def compute_entropies(turns: Hashes, partners: Hashes) -> npt.NDArray[np.float64]:
    """Computes for each pair the entropy of its turn over the partners that this turn has.

    Args:
        turns: `uint64 [P]`, equal for the same turn.
        partners: `uint64 [P]`, equal for the same partner.

    Returns:
        `float64 [P]`, in bits.
    """
    _, own = np.unique(turns, return_inverse=True)
    names, other = np.unique(partners, return_inverse=True)
    couples, counts = np.unique(own * len(names) + other, return_counts=True)
    totals = np.bincount(own)
    # With n = sum of c: -sum c/n log2(c/n) = log2 n - (sum c log2 c) / n.
    sums = np.bincount(couples // len(names), counts * np.log2(counts))
    return np.asarray((np.log2(totals) - sums / totals)[own])


def leave_out(
    corpus: EncodedCorpus, threshold: float, side: str, vocabulary: Vocabulary
) -> EncodedCorpus:
    """Leaves out the pairs with an entropy above a threshold.

    Args:
        corpus: What to learn.
        threshold: In bits.
        side: Whose entropy: one of `SIDES`.
        vocabulary: The words, for the report.

    Returns:
        The corpus of the other pairs, which says how many were left out.

    Raises:
        ChatbotError: No pair is left.
    """
    queries, replies = corpus.hash_turns()
    entropies = {"reply": compute_entropies(replies, queries)}
    entropies["query"] = compute_entropies(queries, replies)
    worst: npt.NDArray[Any] = (
        np.maximum(entropies["query"], entropies["reply"]) if side == "both" else entropies[side]
    )
    kept = np.flatnonzero(worst <= threshold)
    if not len(kept):
        raise ChatbotError(f"--filter_entropy={threshold} leaves no pair to learn; raise it")
    highest = int(worst.argmax())
    batch = corpus.batch(np.array([highest]))
    query, reply = (
        vocabulary.write(vocabulary.decode(drop_slots(ids[ids != EOS], len(vocabulary))))
        for ids in (batch[0][0], batch[2][0])
    )
    count = len(corpus) - len(kept)
    said = (
        f"left out of training {count:,} pairs with an entropy of the {SIDES[side]} above "
        f"{threshold:g} bits"
    )
    if count:
        said += f', up to {worst[highest]:.1f} for "{query}" -> "{reply}"'
    return corpus.select(kept, said)
