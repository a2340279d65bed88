"""Words of the query in place of unknown tokens.

This is the post-processing of Luong et al. 2015, "Addressing the Rare Word Problem in Neural
Machine Translation", with the attention's largest weight for their alignment, and no dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from chatbot.lite.forced import Forced, average_heads
from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.interface import Array
from chatbot.text import UNK, tokenize

Copies = Mapping[tuple[int, int], Mapping[int, str]]
"""{(query, hypothesis): {place in the reply: word}}."""
Force = Callable[[Array, Array, Array, Array], Forced]
"""Walks through given replies, as `Searches.force` does."""


def find_copies(ids: Sequence[int], weights: Array, words: Sequence[str]) -> dict[int, str]:
    """Finds the query's word that each unknown token of a reply attends to most.

    Args:
        ids: The reply's tokens.
        weights: The attention's for each of them, `float32 [T, S]`, and for anything behind them.
        words: The query's tokens, as the text has them. What no text gives, such as a separator, is
            not copied.

    Returns:
        {place in the reply: word}, nothing where the query has no word.
    """
    places = [place for place, word in enumerate(words) if tokenize(word) == [word]]
    if not places:
        return {}
    return {
        place: words[places[int(np.argmax(np.asarray(look)[places]))]]
        for place, (token, look) in enumerate(zip(ids, weights))
        if token == UNK
    }


def copy_words(
    found: Hypotheses,
    query_ids: Array,
    query_lengths: Array,
    words: Sequence[Sequence[str]],
    force: Force,
) -> Copies:
    """Finds what to say in place of the unknown tokens of a batch.

    Args:
        found: What a search has found, as arrays.
        query_ids: `int32 [B, S]`.
        query_lengths: `int32 [B]`.
        words: The queries' tokens, as the text has them.
        force: Computes the attention, of those queries alone that need it.
    """
    real = np.arange(found.ids.shape[2]) < found.lengths[:, :, np.newaxis]
    has_unknown = ((found.ids == UNK) & real).any(axis=2)  # [B, W]
    queries = np.flatnonzero(has_unknown.any(axis=1)).tolist()
    if not queries:
        return {}
    given = (query_ids, query_lengths, found.ids, found.lengths)
    forced = force(*(array[queries] for array in given))
    weights = average_heads(forced.alignments, 4)
    return {
        (query, place): find_copies(ids[:length], weights[row, place], words[query])
        for row, query in enumerate(queries)
        for place, (ids, length) in enumerate(zip(found.ids[query], found.lengths[query]))
    }
