"""What the network reads and learns of turns: queries of several turns, and ended replies."""

from __future__ import annotations

from collections.abc import Sequence

from chatbot.text.segmenter import Segmenter
from chatbot.text.specials import EOS, SEP, SPECIAL_TOKENS, UNK
from chatbot.text.tokens import tokenize

Query = str | Sequence[str]
"""A turn alone, or the turns of a dialogue, oldest first."""

SEPARATOR = SPECIAL_TOKENS[SEP]
"""Stands between two turns of a query; no text gives it."""


def check_query(query: object) -> None:
    """Checks that something is a query.

    Raises:
        TypeError: It is none.
    """
    found = type(query).__name__
    if isinstance(query, Sequence) and not isinstance(query, (bytes, bytearray, memoryview)):
        kinds = {type(turn).__name__ for turn in query if not isinstance(turn, str)}
        if not kinds:
            return
        found += f" of {', '.join(sorted(kinds))}"
    raise TypeError(f"a query is a str, or a list of str, a dialogue's turns; this is {found}")


def tokenize_turns(
    query: Query,
    context_turns: int,
    max_characters: int | None = None,
    segmenter: Segmenter | None = None,
) -> list[list[str]]:
    """Cuts the turns that a model reads into tokens.

    Args:
        query: A turn, or turns, oldest first; no turns are one empty turn.
        context_turns: Most turns to read.
        max_characters: Characters of a turn that are read; None reads them all.
        segmenter: Cuts words into tokens; None leaves them whole.

    Returns:
        At least one and at most `context_turns` turns, oldest first: the query's last, and before
        it the last that have a token.
    """
    turns = [query] if isinstance(query, str) else list(query) or [""]
    found = [tokenize(turns.pop()[:max_characters])]
    while turns and len(found) < context_turns:
        words = tokenize(turns.pop()[:max_characters])
        if words:
            found.append(words)
    return found[::-1] if segmenter is None else [segmenter.split(words) for words in found[::-1]]


def join_turns(turns: Sequence[Sequence[str]], max_length: int) -> list[str]:
    """Writes the tokens of turns, oldest first, as those of one query.

    Args:
        turns: The tokens of at least one turn.
        max_length: Tokens to read of each turn: its first.

    Returns:
        For N turns at most N * `max_length` + N - 1 tokens. A last turn without any token is one
        unknown token.
    """
    *earlier, last = turns
    joined = [token for turn in earlier for token in (*turn[:max_length], SEPARATOR)]
    return [*joined, *(last[:max_length] or [SPECIAL_TOKENS[UNK]])]


def end_reply(tokens: Sequence[str], max_length: int) -> list[str]:
    """Returns a reply's tokens and the end token, cut to `max_length`; a cut reply does not end."""
    return [*tokens, SPECIAL_TOKENS[EOS]][:max_length]
