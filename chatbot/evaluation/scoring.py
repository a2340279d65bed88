"""The log probability that a model gives to replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chatbot.bot import Chatbot
from chatbot.text import (
    EOS,
    UNK,
    Query,
    drop_slots,
    end_reply,
    join_turns,
    tokenize,
    tokenize_turns,
)
from chatbot.text.padding import pad_rows

BATCH = 64
"""Pairs that are scored together."""


class Score(NamedTuple):
    """The score of one reply to one query.

    Attributes:
        log_prob: Log probability (nats) of the reply and its end token, which a cut reply lacks.
        tokens: Tokens of the reply, the end token counted.
        unknown: Those of them that the model cannot say.
        words: Words of the reply, the end token counted; of a cut word its beginning.
        is_cut: Whether the reply is longer than those the model was trained with.
    """

    log_prob: float
    tokens: int
    unknown: int
    words: int
    is_cut: bool


class Scorer:
    """Scores pairs by teacher forcing, cut to the lengths that the model was trained with."""

    def __init__(self, bot: Chatbot) -> None:
        """Takes a trained model; of a query the last `context_turns` turns are read."""
        self._searcher = bot.searcher
        self._vocabulary, self._extend = bot.vocabulary, bot.extend
        self._max_length = bot.config.corpus.max_length
        self._context_turns = bot.config.corpus.context_turns

    def score(self, pairs: Sequence[tuple[Query, str]]) -> list[Score]:
        """Scores (query, reply) pairs, a query being a turn or turns, oldest first."""
        encoded = [self._encode(query, reply) for query, reply in pairs]
        queries, replies = ([pair[side] for pair in encoded] for side in (0, 1))
        lengths = [(len(reply), len(query)) for query, reply in zip(queries, replies)]
        order = sorted(range(len(pairs)), key=lengths.__getitem__)
        scores: dict[int, Score] = {}
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            batch = [replies[place] for place in chosen]
            log_probs = self._searcher.score(
                *pad_rows([queries[place] for place in chosen]), *pad_rows(batch)
            )
            ends = np.cumsum([len(reply) for reply in batch])[:-1]
            for place, reply, found in zip(chosen, batch, np.split(log_probs, ends)):
                known = drop_slots(np.array(reply), len(self._vocabulary))
                counts = len(reply), reply.count(UNK), int(self._vocabulary.begins[known].sum())
                scores[place] = Score(float(found.sum()), *counts, reply[-1] != EOS)
        return [scores[place] for place in range(len(pairs))]

    def _encode(self, query: Query, reply: str) -> tuple[list[int], list[int]]:
        segmenter = self._vocabulary.segmenter
        turns = tokenize_turns(query, self._context_turns, segmenter=segmenter)
        words = join_turns(turns, self._max_length)
        said = end_reply(segmenter.split(tokenize(reply)), self._max_length)
        encode = self._extend(words).encode
        return encode(words), encode(said)
