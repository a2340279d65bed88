"""Eight bytes for each pair of a corpus, by which a model can tell which it has learned from.

A file of hashes is a plain row of little-endian `uint64`, one for each pair, in the corpus' order.
Beside a training of 10**9 pairs a pair that it has not seen is taken for one that it has with a
probability of 5e-11.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chatbot.errors import ChatbotError

HASH_BYTES = 8
HASH_TYPE = "<u8"
_READ_AT_ONCE = 1 << 20


def hash_pair(query: Sequence[str], reply: Sequence[str]) -> bytes:
    """Hashes a pair.

    Args:
        query: The tokens of the turn that is answered, uncut.
        reply: The tokens of the reply, uncut, without an end token.

    Returns:
        8 bytes, the same on every machine: BLAKE2b of the tokens, blanks between them and a tab
        between the sides.
    """
    text = f"{' '.join(query)}\t{' '.join(reply)}"
    return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).digest()


def find_known(hashes: npt.NDArray[np.uint64], path: Path) -> npt.NDArray[np.bool_] | None:
    """Tells which hashes, `uint64 [N]`, occur in a file, which is read in pieces.

    Returns:
        `bool [N]`, or None where there is no such file.

    Raises:
        ChatbotError: The file cannot be read or is damaged.
    """
    asked, places = np.unique(hashes, return_inverse=True)
    known = np.zeros(len(asked), dtype=np.bool_)
    try:
        if path.stat().st_size % HASH_BYTES:
            raise ChatbotError(
                f"{path} is damaged (not a whole number of {HASH_BYTES}-byte hashes); restore it, "
                "or delete it to do without the figures of unseen pairs"
            )
        for piece in _read_pieces(path):
            found = np.searchsorted(asked, piece)
            is_inside = found < len(asked)
            found = found[is_inside]
            known[found[asked[found] == piece[is_inside]]] = True
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ChatbotError(f"{path} cannot be read ({error.strerror}); mend that") from None
    return known[places]


def _read_pieces(path: Path) -> Iterator[npt.NDArray[Any]]:
    with path.open("rb") as file:
        for content in iter(lambda: file.read(HASH_BYTES * _READ_AT_ONCE), b""):
            yield np.frombuffer(content, dtype=HASH_TYPE)
