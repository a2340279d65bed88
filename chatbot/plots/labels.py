"""Tokens as labels: safe, short, and readable where they are special."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chatbot.system.terminal import count_columns, make_visible
from chatbot.text import EOS, GO, PAD, SEP, SPECIAL_TOKENS, UNK

# No token of a text has more than one of these characters, so none can look like these names.
_NAMES = {
    "": "(empty)",
    SPECIAL_TOKENS[PAD]: "(pad)",
    SPECIAL_TOKENS[GO]: "(go)",
    SPECIAL_TOKENS[EOS]: "(end)",
    SPECIAL_TOKENS[UNK]: "(unknown)",
    SPECIAL_TOKENS[SEP]: "(turn)",
}
_NOT_IN_XML = re.compile("[\ufffe\uffff]")


def write_label(token: str, columns: int) -> str:
    """Writes a token, or `(end)` for `<eos>` and the like, as a label of so many columns at most.

    No terminal obeys it and XML may hold it.
    """
    return shorten(_NAMES.get(token, token), columns)


def shorten(text: str, columns: int) -> str:
    """Makes a text visible on one line and cuts it to at least 1 column, the last sign then `…`."""
    # Marks take no columns, yet a thousand on one letter would leave every picture.
    visible = _NOT_IN_XML.sub("\ufffd", make_visible(text[: 4 * columns + 1]))
    if count_columns(visible) <= columns and len(visible) <= 4 * columns:
        return visible
    kept, width = [], 1
    for character in visible[: 4 * columns - 1]:
        width += count_columns(character)
        if width > columns:
            break
        kept.append(character)
    return "".join(kept) + "…"


def check_weights(
    query_tokens: Sequence[str], reply_tokens: Sequence[str], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Returns attention weights as `float32 [T, S]`, for T tokens of a reply and S of a query.

    Raises:
        ValueError: The numbers do not fit, or one of them is 0.
    """
    shape = (len(reply_tokens), len(query_tokens))
    if np.shape(weights) != shape or 0 in shape:
        raise ValueError(f"weights of {np.shape(weights)} do not fit {shape} tokens")
    return np.asarray(weights, np.float32)
