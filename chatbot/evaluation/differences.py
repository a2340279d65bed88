"""A model compared with another one that was measured on the same pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from chatbot.evaluation.intervals import Chosen, find_difference
from chatbot.evaluation.material import Material, subtract
from chatbot.evaluation.perplexity import estimate_perplexity


def subtract_models(material: Material, first: Material) -> dict[str, Any]:
    """Subtracts the first model's figures from those of another one, over the same pairs.

    Returns:
        `pairs`, `perplexity` (its `difference` and `interval`, or None where the two count other
        tokens), `word_perplexity` (the same a word, and the number of `pairs`: over those whose
        replies are whole and without a word that one of the two does not know; None where there is
        none), `hits` ({ranking: {figure: difference and interval}}) and `searches` ({search that
        both have: {figure: difference and interval}}); and `unseen`, the same over the pairs that
        neither has learned from, or None where there is none.
    """
    unseen = material.unseen & first.unseen
    return {
        **_subtract(material, first, np.ones_like(unseen)),
        "unseen": _subtract(material, first, unseen) if unseen.any() else None,
    }


def _subtract(material: Material, first: Material, chosen: Chosen) -> dict[str, Any]:
    perplexity = None
    if material.losses.counts_as(first.losses):
        ours, theirs = (estimate_perplexity(each.losses, chosen) for each in (material, first))
        perplexity = find_difference(ours, theirs)
    hits, other_hits = material.estimate_hits(chosen), first.estimate_hits(chosen)
    known = chosen & material.losses.known & first.losses.known
    word_perplexity = None
    if known.any():
        ours, theirs = (
            estimate_perplexity(each.losses, known, each.losses.words) for each in (material, first)
        )
        word_perplexity = {
            "pairs": int(material.losses.pairs[known].sum()),
            **find_difference(ours, theirs),
        }
    rows, other = material.estimate(chosen), first.estimate(chosen)
    figures = material.task.figures
    searches = {x: subtract(rows[x], other[x], figures) for x in material.found if x in other}
    return {
        "pairs": int(material.losses.pairs[chosen].sum()),
        "perplexity": perplexity,
        "hits": {
            name: subtract(found, other_hits[name], list(found))
            for name, found in hits.items()
            if name in other_hits
        },
        "word_perplexity": word_perplexity,
        "searches": searches,
    }
