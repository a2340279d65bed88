"""Another segmentation of the words in every epoch, for models of subwords."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from chatbot.dataset.encoded_corpus import Batch, EncodedCorpus
from chatbot.text import Vocabulary
from chatbot.text.padding import pad_rows

SEGMENTATIONS = 64
"""Of each word, drawn independently the first time that they are wanted."""
_WORDS_KEPT, _BATCHES_KEPT = 1 << 18, 4
Ids = tuple[int, ...]
Indices = npt.NDArray[np.integer[Any]]
Read = Callable[[Indices], Batch]


class Source(Protocol):
    """Where a training takes its batches from; see `EncodedCorpus`."""

    def batch(self, indices: Indices, /) -> Batch:
        """Gathers pairs."""
        ...

    def count_tokens(self, indices: Indices, /) -> int:
        """Counts their reply tokens."""
        ...

    def count_words(self, indices: Indices, /) -> int:
        """Counts their reply words and end tokens."""
        ...


class Sampler:
    """Cuts the words of a corpus anew for every epoch.

    How a pair is cut depends on the seed, the epoch and the pair's number alone, so that a training
    that goes on sees what it would have seen. A pair keeps the words that it was encoded with;
    other pieces of them may be more than `max_length`.
    """

    def __init__(
        self,
        corpus: EncodedCorpus,
        vocabulary: Vocabulary,
        amount: float,
        seed: int,
        side: str = "both",
    ) -> None:
        """Takes a corpus.

        Args:
            corpus: The corpus.
            vocabulary: Its tokens.
            amount: As `Segmenter.draw` takes it; 0 leaves the corpus as it is.
            seed: Seed of the training.
            side: "query", "reply" or "both": whose words are cut anew.
        """
        self._corpus = corpus
        self._side = side
        self._vocabulary = vocabulary
        self._amount = amount
        self._seed = seed
        self._draw = functools.lru_cache(_WORDS_KEPT)(self._draw_word)

    def open_epoch(self, epoch: int, read: Read | None = None) -> Source:
        """Returns the corpus as an epoch, from 0, reads it.

        Args:
            epoch: The epoch.
            read: Gathers pairs by their numbers; None for the corpus' own way. The replies are the
                corpus' own.
        """
        read = read or self._corpus.batch
        if self._amount == 0.0:
            return _AsEncoded(self._corpus, read)
        name = f"{self._seed}:{epoch}"
        return _Drawn(self, self._corpus, read, self._vocabulary.begins, name)

    def draw_row(
        self, side: str, ids: list[int], starts: list[int], generator: random.Random
    ) -> Ids:
        """Cuts the words of a query or a reply another way; `starts` says where each begins."""
        if self._side not in (side, "both"):
            return tuple(ids)
        words = (tuple(ids[start:end]) for start, end in zip(starts, [*starts[1:], len(ids)]))
        drawn = (self._draw(word, generator.randrange(SEGMENTATIONS)) for word in words)
        return tuple(itertools.chain.from_iterable(drawn))

    def _draw_word(self, word: Ids, number: int) -> Ids:
        generator = random.Random(f"{self._seed}:{number}:{word}")
        tokens = self._vocabulary.segmenter.draw(
            self._vocabulary.decode(word), self._amount, generator
        )
        return tuple(self._vocabulary.encode(tokens))


class _AsEncoded:
    """A corpus with the pieces that it was encoded with: a `Source`."""

    def __init__(self, corpus: EncodedCorpus, read: Read) -> None:
        self.batch = read
        self.count_tokens, self.count_words = corpus.count_tokens, corpus.count_words


class _Drawn:
    """A corpus as one epoch reads it: a `Source`."""

    def __init__(
        self,
        sampler: Sampler,
        corpus: EncodedCorpus,
        read: Read,
        begins: npt.NDArray[np.bool_],
        name: str,
    ) -> None:
        self._sampler, self._read, self._begins, self._name = sampler, read, begins, name
        self.count_words = corpus.count_words
        self._draw = functools.lru_cache(_BATCHES_KEPT)(self._draw_rows)

    def batch(self, indices: Indices) -> Batch:
        queries, replies = self._draw(tuple(indices.tolist()))
        return Batch(*pad_rows(queries), *pad_rows(replies))

    def count_tokens(self, indices: Indices) -> int:
        return sum(map(len, self._draw(tuple(indices.tolist()))[1]))

    def _draw_rows(self, pairs: tuple[int, ...]) -> tuple[list[Ids], list[Ids]]:
        """Cuts the queries and the replies of pairs."""
        queries, query_lengths, replies, reply_lengths = self._read(np.array(pairs))
        rows: tuple[list[Ids], list[Ids]] = ([], [])
        for place, pair in enumerate(pairs):
            generator = random.Random(f"{self._name}:{pair}")
            query, reply = queries[place][: query_lengths[place]], replies[place]
            sides = ("query", query), ("reply", reply[: reply_lengths[place]])
            for drawn, (side, ids) in zip(rows, sides):
                starts = np.flatnonzero(self._begins[ids]).tolist()
                drawn.append(self._sampler.draw_row(side, ids.tolist(), starts, generator))
        return rows
