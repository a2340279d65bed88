"""The log probability that a model gives to replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from chatbot.network.padding import pad_rows
from chatbot.network.seq2seq import Seq2Seq
from chatbot.text import UNK, Query, Vocabulary, end_reply, join_turns, tokenize, tokenize_turns
from chatbot.training.step import BATCH_SIGNATURE

BATCH = 64
"""Pairs that are scored together."""


class Score(NamedTuple):
    """The score of one reply to one query.

    Attributes:
        log_prob: Log probability (nats) of the reply and its end token, which a cut reply lacks.
        tokens: Tokens of the reply, the end token counted.
        unknown: Those of them that the vocabulary does not have.
    """

    log_prob: float
    tokens: int
    unknown: int


class Scorer:
    """Scores pairs by teacher forcing, cut to the lengths that the model was trained with."""

    def __init__(
        self, model: Seq2Seq, vocabulary: Vocabulary, max_length: int, context_turns: int = 1
    ) -> None:
        """Takes a trained model.

        Args:
            model: The network.
            vocabulary: Its words.
            max_length: Tokens of a turn; the reply's end token counts.
            context_turns: Most turns of a query that are read.
        """
        self._vocabulary = vocabulary
        self._max_length = max_length
        self._context_turns = context_turns
        self._token_losses = tf.function(
            model.token_log_losses, input_signature=BATCH_SIGNATURE, autograph=False
        )

    def score(self, pairs: Sequence[tuple[Query, str]]) -> list[Score]:
        """Scores (query, reply) pairs, a query being a turn or turns, oldest first."""
        queries = [self._encode_query(query) for query, _ in pairs]
        replies = [self._encode_reply(reply) for _, reply in pairs]
        order = sorted(range(len(pairs)), key=lambda place: len(replies[place]))
        scores: dict[int, Score] = {}
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            batch = [replies[place] for place in chosen]
            losses = self._token_losses(
                *pad_rows([queries[place] for place in chosen]), *pad_rows(batch)
            )
            ends = np.cumsum([len(reply) for reply in batch])[:-1]
            for place, reply, loss in zip(chosen, batch, np.split(losses.numpy(), ends)):
                scores[place] = Score(-float(loss.sum()), len(reply), reply.count(UNK))
        return [scores[place] for place in range(len(pairs))]

    def _encode_query(self, query: Query) -> list[int]:
        turns = tokenize_turns(query, self._context_turns)
        return self._vocabulary.encode(join_turns(turns, self._max_length))

    def _encode_reply(self, reply: str) -> list[int]:
        return self._vocabulary.encode(end_reply(tokenize(reply), self._max_length))
