"""Figures of replies' words, each estimated with and without each dialogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from chatbot.evaluation.intervals import Dialogues, Estimate

COMMONEST = 10
"""Different replies that `estimate_commonest_share` counts."""
_SEVERAL = -1


def estimate_distinct(
    replies: Sequence[Sequence[str]], size: int, dialogues: Dialogues
) -> Estimate:
    """Estimates which share of all n-grams are different ones: distinct-n.

    Li et al. 2016, who introduced distinct-1 and distinct-2, divide by the number of tokens; this
    divides by the number of n-grams, as ParlAI and many published tables do. For distinct-1 the two
    are the same; distinct-2 is greater here, for a reply has one bigram fewer than tokens. Both
    fall as the corpus grows: compare them over the same queries only.

    Args:
        replies: The tokens of each reply; no n-gram spans two replies.
        size: Tokens of an n-gram, n.
        dialogues: Where the replies come from.

    Returns:
        Different n-grams over all n-grams, 0 where there is none.
    """
    owners: dict[tuple[str, ...], int] = {}
    totals = np.zeros(dialogues.count, np.int64)
    for reply, place in zip(replies, dialogues.places.tolist()):
        grams = list(zip(*(reply[start:] for start in range(size))))
        totals[place] += len(grams)
        for gram in grams:
            if owners.setdefault(gram, place) != place:
                owners[gram] = _SEVERAL
    value = len(owners) / int(totals.sum()) if owners else 0.0
    if not dialogues.are_enough:
        return Estimate(value, np.zeros(0))
    # Without a dialogue the n-grams are missing that occur in no other one.
    alone = [place for place in owners.values() if place != _SEVERAL]
    different = len(owners) - np.bincount(alone, minlength=dialogues.count)
    return Estimate(value, different / np.maximum(totals.sum() - totals, 1))


def estimate_commonest_share(replies: Sequence[str], dialogues: Dialogues) -> Estimate:
    """Estimates which share of the replies, at least one, are among the ten commonest."""
    counts = Counter(replies)
    ranked = [reply for reply, _ in counts.most_common()]
    value = sum(counts[reply] for reply in ranked[:COMMONEST]) / len(replies)
    if not dialogues.are_enough:
        return Estimate(value, np.zeros(0))
    owns: list[Counter[str]] = [Counter() for _ in range(dialogues.count)]
    for reply, place in zip(replies, dialogues.places.tolist()):
        owns[place][reply] += 1
    shares = []
    for own in owns:
        # What stands behind these is overtaken by ten that the dialogue does not have.
        first = ranked[: COMMONEST + len(own)]
        rest = sorted((counts[reply] - own[reply] for reply in first), reverse=True)
        shares.append(sum(rest[:COMMONEST]) / (len(replies) - own.total()))
    return Estimate(value, np.array(shares))
