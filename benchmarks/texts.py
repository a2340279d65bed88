"""Random dialogues, for where no corpus is given."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.training import draw_lengths
from chatbot.text import SPECIAL_TOKENS

TURNS = 8
"""Turns of a dialogue; DailyDialog has 7.8 on average."""
LONGEST = 20
"""Tokens of the longest turn."""


def make_words(vocab_size: int) -> list[str]:
    """Makes up words, each one token.

    Args:
        vocab_size: Words in the vocabulary, its special tokens among them.

    Returns:
        All words but the special tokens.
    """
    return [f"w{number}" for number in range(vocab_size - len(SPECIAL_TOKENS))]


def draw_turns(count: int, vocab_size: int, seed: int = 1) -> list[str]:
    """Draws turns as long as DailyDialog's queries, frequent words and rare ones.

    Args:
        count: How many.
        vocab_size: As for `make_words`.
        seed: Seed of all chance.

    Returns:
        The turns, words and blanks.
    """
    generator = np.random.default_rng(seed)
    lengths = draw_lengths(generator, "query", count, LONGEST)
    words = make_words(vocab_size)
    # A word's frequency falls as its rank rises, as in real text.
    ranks = ((len(words) + 1) ** generator.random(int(lengths.sum()))).astype(int) - 1
    ends = np.cumsum(lengths)
    drawn = np.array(words)[ranks]
    return [" ".join(drawn[end - length : end]) for end, length in zip(ends, lengths)]


def draw_pairs(count: int, vocab_size: int) -> Iterator[tuple[str, str]]:
    """Draws dialogues of `TURNS` turns, where each reply is the next query.

    Args:
        count: Pairs.
        vocab_size: As for `make_words`.

    Yields:
        A query and its reply.
    """
    dialogues = -(-count // (TURNS - 1))
    turns = draw_turns(dialogues * TURNS, vocab_size)
    for number in range(count):
        dialogue, turn = divmod(number, TURNS - 1)
        place = dialogue * TURNS + turn
        yield turns[place], turns[place + 1]
