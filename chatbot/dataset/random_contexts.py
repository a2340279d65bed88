"""Turns of other dialogues before pairs that begin one, drawn anew in each epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from chatbot.dataset.encoded_corpus import Batch, EncodedCorpus
from chatbot.text import EOS, SEP, drop_slots
from chatbot.text.padding import pad_rows

Ids = npt.NDArray[np.int32]


class RandomContexts:
    """Batches in which pairs without earlier turns follow those of pairs drawn at random.

    In a chat every line but the first has turns before it, which most often have nothing to do
    with it; a network that never saw such turns in training would be derailed by them. A batch
    gets turns before all its pairs or before none, for one long query makes all others as long.
    """

    def __init__(self, corpus: EncodedCorpus, share: float, context_turns: int, seed: int) -> None:
        """Prepares; nothing is drawn yet.

        Args:
            corpus: The pairs to read, and those to draw from.
            share: The probability that a batch's pairs are given turns.
            context_turns: Most turns of a query.
            seed: Decides, with the epoch and the numbers of batch and pair, what is drawn.
        """
        self._corpus, self._share, self._seed = corpus, share, seed
        self._turns = context_turns - 1

    def batch(self, indices: npt.NDArray[np.integer[Any]], epoch: int, number: int) -> Batch:
        """Gathers pairs as `EncodedCorpus.batch` does, perhaps with turns before the queries.

        Args:
            indices: `int [B]`, the numbers of some of the batch's pairs.
            epoch: From 0.
            number: That of the batch in its epoch.
        """
        batch = self._corpus.batch(indices)
        if not self._turns or self._draw(epoch, number).random() >= self._share:
            return batch
        numbers = [self._draw(epoch, number, i).integers(len(self._corpus)) for i in indices]
        others = self._corpus.batch(np.array(numbers))
        queries = []
        for row, length in enumerate(batch.query_lengths):
            query = batch.query_ids[row, :length]
            if SEP not in query:
                query = np.concatenate([*self._list_turns(others, row), query])
            queries.append(query.tolist())
        ids, lengths = pad_rows(queries)
        return Batch(ids, lengths, batch.reply_ids, batch.reply_lengths)

    def _draw(self, *numbers: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, *numbers))

    def _list_turns(self, others: Batch, row: int) -> list[Ids]:
        """Returns the last turns of a dialogue, each with the separator after it.

        Their unknown words cannot be copied: the ids for that are those of the pair's own.
        """
        query = others.query_ids[row, : others.query_lengths[row]]
        reply = others.reply_ids[row, : others.reply_lengths[row]]
        separators = np.flatnonzero(query == SEP)
        turns = np.split(query[query != SEP], separators - np.arange(len(separators)))
        turns = [*turns, reply[reply != EOS]][-self._turns :]
        turns = [drop_slots(turn, self._corpus.summary["vocabulary_size"]) for turn in turns]
        return [part for turn in turns for part in (turn, np.array([SEP], np.int32))]
