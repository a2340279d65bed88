"""A vocabulary extended by what one query has and the vocabulary has not.

See et al. 2017, "Get To The Point", section 2.2: a pointer-generator copies words that it does not
know. The i-th different unknown word of a query has the id V + i, whatever word that is, so that
all queries share the ids from V to V + `SLOTS` - 1. A word without a slot is the unknown token.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chatbot.text.specials import SPECIAL_TOKENS, UNK
from chatbot.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy.typing as npt

SLOTS = 256
"""Most different unknown words of a query that can be copied."""


class ExtendedVocabulary:
    """The words of a vocabulary and those of one query, with the methods of a `Vocabulary`.

    Attributes:
        own: The query's words that the vocabulary does not have, in their order.
    """

    def __init__(self, vocabulary: Vocabulary, query: Sequence[str]) -> None:
        """Takes the vocabulary and the query's tokens as its text has them."""
        self._vocabulary = vocabulary
        ids = zip(query, vocabulary.encode(query))
        unknown = (word for word, id_ in ids if id_ == UNK and word != SPECIAL_TOKENS[UNK])
        self.own = list(dict.fromkeys(unknown))[:SLOTS]
        self._slots = {word: len(vocabulary) + place for place, word in enumerate(self.own)}

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Returns the id of each token, `UNK` for one that neither has."""
        words = list(tokens)
        ids = self._vocabulary.encode(words)
        return [self._slots.get(word, id_) for word, id_ in zip(words, ids)]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Returns the word of each id.

        Raises:
            ValueError: An id is neither the vocabulary's nor that of a word of the query.
        """
        numbers, size = [int(number) for number in ids], len(self._vocabulary)
        ends = size + len(self.own)
        inside = [UNK if size <= number < ends else number for number in numbers]
        words = self._vocabulary.decode(inside)
        return [
            self.own[number - size] if size <= number < ends else word
            for number, word in zip(numbers, words)
        ]


def drop_slots(ids: npt.NDArray[np.integer[Any]], size: int) -> npt.NDArray[np.integer[Any]]:
    """Puts the unknown token in the place of every id that a vocabulary of `size` words lacks."""
    return np.where(ids < size, ids, UNK)
