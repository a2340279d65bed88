"""Rules for replies: which tokens may not come next, given the tokens so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chatbot.lite.interface import Array
from chatbot.settings.config import SearchConfig
from chatbot.text import EOS, GO, PAD, SEP, UNK

NO_WORDS = (PAD, GO, UNK, SEP)
"""All special tokens except the end token."""


def ban(logits: Array, said: Array, settings: SearchConfig) -> Array | None:
    """Sets the logits of tokens that may not come next to -inf, in place.

    Args:
        logits: `float32 [R, V]`.
        said: `int32 [R, T]`, each row's tokens so far.
        settings: Its rules are followed.

    Returns:
        The logsumexp of the banned tokens' logits, `float32 [R]`, or None if no row has any.
    """
    fixed = NO_WORDS if settings.bans_unk else ()
    if said.shape[1] < settings.min_reply_length:
        fixed = (*fixed, EOS)
    rows, tokens = find_repeats(said, settings.no_repeat_ngram)
    if not fixed and not rows.size:
        return None
    columns = np.array(fixed, np.intp)
    lost = np.logaddexp.reduce(logits[:, columns], axis=1)
    logits[:, columns] = -np.inf
    if rows.size:
        np.logaddexp.at(lost, rows, logits[rows, tokens])
        logits[rows, tokens] = -np.inf
    return lost


def find_forced(time: int, settings: SearchConfig, prefix: Sequence[int]) -> int | None:
    """Finds the token that must follow `time` tokens; None where the search chooses it."""
    if time < len(prefix):
        return prefix[time]
    return EOS if time >= settings.max_reply_length else None


def ban_unless_forced(
    logits: Array, said: Array, settings: SearchConfig, forced: int | None
) -> Array | None:
    """Bans as `ban` does, but nothing where the rules forbid the token of a prefix."""
    own = None if forced in (None, EOS) else logits.copy()
    lost = ban(logits, said, settings)
    # A prefix is the same in every row, so the rules forbid its token in all rows or in none.
    if own is not None and np.isneginf(logits[0, forced]):
        logits[...], lost = own, None
    return lost


def find_repeats(said: Array, size: int) -> tuple[Array, Array]:
    """Finds the tokens that would repeat a run of tokens.

    Args:
        said: `int32 [R, T]`, each row's tokens so far.
        size: Tokens in such a run; 0 for none.

    Returns:
        Rows `int64 [J]`, and the tokens `int32 [J]` that would repeat a run there. In a row without
        a repeated run no token is there twice.
    """
    if not 0 < size <= said.shape[1]:
        return NONE
    if size == 1:
        return np.repeat(np.arange(len(said)), said.shape[1]), said.reshape(-1)
    # Compared from the last token back, so that few runs are left after the first look.
    rows, starts = np.nonzero(said[:, size - 2 : -1] == said[:, -1:])
    for back in range(2, size):
        if not rows.size:
            return NONE
        same = said[rows, starts + (size - 1 - back)] == said[rows, -back]
        rows, starts = rows[same], starts[same]
    return rows, said[rows, starts + (size - 1)]


NONE = (np.zeros(0, np.int64), np.zeros(0, np.int32))
