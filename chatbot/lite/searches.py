"""The searches of one network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chatbot.lite.beam import search_with_beam
from chatbot.lite.forced import Forced, force
from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.interface import Array, Network
from chatbot.lite.looking import Look, Tree, look
from chatbot.lite.recording import Candidates
from chatbot.lite.rescoring import measure_commonness, rescore
from chatbot.lite.sampling import draw_numbers, sample
from chatbot.settings.config import SearchConfig


class Searches:
    """Searches for replies; several threads may use it at once."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def search(
        self,
        query_ids: Array,
        query_lengths: Array,
        settings: SearchConfig,
        prefix: Sequence[int] = (),
        steps: list[Candidates] | None = None,
    ) -> Hypotheses:
        """Replies to a batch of queries.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.
            settings: How to search.
            prefix: Tokens that every reply begins with, no end token among them.
            steps: If it is a list, and there are no samples, the steps of one query's plain beam
                are appended to it.

        Returns:
            `beam_size` hypotheses a query, the best score first.
        """
        queries = (query_ids, query_lengths)
        if settings.sample:
            rows = [ids[:length].tolist() for ids, length in zip(*queries)]
            longest, replies = settings.max_reply_length, settings.beam_size
            numbers = draw_numbers(rows, settings.sampling_seed, replies, longest)
            found = sample(self._network, *queries, numbers, settings, prefix)
        else:
            found = search_with_beam(self._network, *queries, settings, steps, prefix)
        if settings.coverage_penalty == 0.0 and settings.mmi_weight == 0.0:
            return found
        return rescore(self._network, *queries, found, settings)

    def look(
        self, query_ids: Array, query_lengths: Array, tree: Tree, settings: SearchConfig, count: int
    ) -> dict[int, Look]:
        """Looks at what follows each node of a tree of replies; see `chatbot.lite.looking`."""
        return look(self._network, query_ids, query_lengths, tree, settings, count)

    def measure_commonness(self, found: Hypotheses, count: int) -> Array:
        """Computes M of `chatbot.lite.rescoring`, `float32 [B, W]`."""
        return measure_commonness(self._network, found, count)

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
