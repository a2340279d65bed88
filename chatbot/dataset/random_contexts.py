"""Turns of other dialogues before pairs that begin one, drawn anew in each epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from chatbot.dataset.encoded_corpus import Batch, EncodedCorpus
from chatbot.text import EOS, SEP
from chatbot.text.padding import pad_rows

Ids = npt.NDArray[np.int32]


class RandomContexts:
    """Batches in which pairs without earlier turns follow those of a pair drawn at random.

    In a chat every line but the first has turns before it, which most often have nothing to do
    with it; a network that never saw such turns in training would be derailed by them.
    """

    def __init__(self, corpus: EncodedCorpus, share: float, context_turns: int, seed: int) -> None:
        """Prepares; nothing is drawn yet.

        Args:
            corpus: The pairs to read, and those to draw from.
            share: The probability that a pair without earlier turns is given some.
            context_turns: Most turns of a query.
            seed: Decides, with the epoch and the pair's number, what is drawn.
        """
        self._corpus, self._share, self._seed = corpus, share, seed
        self._turns = context_turns - 1

    def batch(self, indices: npt.NDArray[np.integer[Any]], epoch: int) -> Batch:
        """Gathers pairs as `EncodedCorpus.batch` does, some queries with turns before them.

        Args:
            indices: `int [B]`, the pairs' numbers.
            epoch: From 0.
        """
        batch = self._corpus.batch(indices)
        if not self._share or not self._turns:
            return batch
        drawn = [self._draw(index, epoch) for index in indices.tolist()]
        others = self._corpus.batch(np.array([max(other, 0) for other in drawn]))
        queries = []
        for row, other in enumerate(drawn):
            query = batch.query_ids[row, : batch.query_lengths[row]]
            if other >= 0 and SEP not in query:
                query = np.concatenate([*self._list_turns(others, row), query])
            queries.append(query.tolist())
        ids, lengths = pad_rows(queries)
        return Batch(ids, lengths, batch.reply_ids, batch.reply_lengths)

    def _draw(self, index: int, epoch: int) -> int:
        """Returns the number of the pair to begin with, or -1 for none."""
        random = np.random.default_rng((self._seed, epoch, index))
        return int(random.integers(len(self._corpus))) if random.random() < self._share else -1

    def _list_turns(self, others: Batch, row: int) -> list[Ids]:
        """Returns the last turns of a dialogue, each with the separator after it."""
        query = others.query_ids[row, : others.query_lengths[row]]
        reply = others.reply_ids[row, : others.reply_lengths[row]]
        separators = np.flatnonzero(query == SEP)
        turns = np.split(query[query != SEP], separators - np.arange(len(separators)))
        turns = [*turns, reply[reply != EOS]][-self._turns :]
        return [part for turn in turns for part in (turn, np.array([SEP], np.int32))]
