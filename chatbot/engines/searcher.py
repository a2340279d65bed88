"""What a chatbot searches with, whoever runs the network."""

from __future__ import annotations

from typing import Any, Protocol

from chatbot.lite.forced import Forced
from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.recording import Candidates
from chatbot.settings.config import SearchConfig


class Searcher(Protocol):
    """Finds replies to batches of queries; several threads may use it at once.

    Queries are `int32 [B, S]`, padded on the right, with lengths `int32 [B]` of at least 1, and
    everything returned is an array.

    Attributes:
        device: What it computes on, as a person is told.
    """

    device: str

    @property
    def engine(self) -> str:
        """Who runs the network, as a person is told."""
        ...

    def search(self, query_ids: Any, query_lengths: Any, settings: SearchConfig) -> Hypotheses:
        """Finds `beam_size` hypotheses a query, the best score first."""
        ...

    def force(self, query_ids: Any, query_lengths: Any, ids: Any, lengths: Any) -> Forced:
        """Walks through given replies `int32 [B, W, T]` of lengths `int32 [B, W]`."""
        ...

    def record(
        self, query_ids: Any, query_lengths: Any, settings: SearchConfig
    ) -> list[Candidates]:
        """Searches with the plain beam for one query; returns what each step considered."""
        ...

    def score(self, query_ids: Any, query_lengths: Any, reply_ids: Any, reply_lengths: Any) -> Any:
        """Computes the log probability of each token of given replies.

        Args:
            query_ids: As above.
            query_lengths: As above.
            reply_ids: `int32 [B, T]`, ended where they are not cut, padded on the right.
            reply_lengths: `int32 [B]`, the end token counted.

        Returns:
            `float32 [N]` in nats, the real tokens row after row.
        """
        ...

    def count_traces(self) -> int:
        """Returns how many graphs TensorFlow has traced."""
        ...
