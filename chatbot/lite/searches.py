"""The searches of one network."""

from __future__ import annotations

import numpy as np

from chatbot.lite.beam import search_with_beam
from chatbot.lite.forced import Forced, force
from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.interface import Array, Network
from chatbot.lite.recording import Candidates
from chatbot.lite.rescoring import rescore
from chatbot.lite.sampling import draw_numbers, sample
from chatbot.settings.config import SearchConfig


class Searches:
    """Searches for replies; several threads may use it at once."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def search(self, query_ids: Array, query_lengths: Array, settings: SearchConfig) -> Hypotheses:
        """Replies to a batch of queries.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.
            settings: How to search.

        Returns:
            `beam_size` hypotheses a query, the best score first.
        """
        queries = (query_ids, query_lengths)
        if settings.sample:
            rows = [ids[:length].tolist() for ids, length in zip(*queries)]
            longest, replies = settings.max_reply_length, settings.beam_size
            numbers = draw_numbers(rows, settings.sampling_seed, replies, longest)
            found = sample(self._network, *queries, numbers, settings)
        else:
            found = search_with_beam(self._network, *queries, settings)
        if settings.coverage_penalty == 0.0 and settings.mmi_weight == 0.0:
            return found
        return rescore(self._network, *queries, found, settings)

    def force(self, query_ids: Array, query_lengths: Array, ids: Array, lengths: Array) -> Forced:
        """Walks through given replies, W for each query.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.
            ids: `int32 [B, W, ...]`, and anything behind the replies.
            lengths: `int32 [B, W]`, the replies' tokens, their end tokens not counted.
        """
        return force(self._network, query_ids, query_lengths, np.asarray(ids), np.asarray(lengths))

    def record(
        self, query_ids: Array, query_lengths: Array, settings: SearchConfig
    ) -> list[Candidates]:
        """Searches with the plain beam, and returns what each step kept and dropped.

        Args:
            query_ids: `int32 [1, S]`.
            query_lengths: `int32 [1]`.
            settings: How to search.
        """
        steps: list[Candidates] = []
        search_with_beam(self._network, query_ids, query_lengths, settings, steps)
        return steps
