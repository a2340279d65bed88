"""What a network offers to the searches of this room."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

Array = Any
"""A NumPy array; comments and docstrings say of which type and shape."""


class Step(NamedTuple):
    """One step of the decoder for R rows.

    Attributes:
        logits: `float32 [R, V]`.
        state: `float32 [R, X]`, the decoder's next state.
        alignments: `float32 [R, S]`, with heads `[R, H, S]`, or None without attention.
    """

    logits: Array
    state: Array
    alignments: Array | None


class Best(NamedTuple):
    """The largest logits of R rows.

    Attributes:
        values: `float32 [R, K]`, the largest first.
        tokens: `int64 [R, K]`; of equal logits the lower token comes first.
        normalizer: `float32 [R]`, the logsumexp of the whole row.
    """

    values: Array
    tokens: Array
    normalizer: Array


class Network(Protocol):
    """A network that several threads may use at once; callers may overwrite what it returns."""

    @property
    def vocab_size(self) -> int:
        """Words in the vocabulary, V."""

    def start(self, query_ids: Array, query_lengths: Array) -> tuple[Any, Array]:
        """Encodes queries.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.

        Returns:
            What the decoder attends to, and its first state `float32 [B, X]`.
        """

    def select(self, attended: Any, queries: Array) -> Any:
        """Returns of what the decoder attends to the part of some queries, `int64 [Q]`."""

    def advance(self, last_ids: Array, attended: Any, state: Array) -> Step:
        """Takes one step of the decoder.

        Args:
            last_ids: `int32 [R]`, each row's last token; R is a multiple of the queries.
            attended: From `start` or `select`; each query's rows follow one another.
            state: `float32 [R, X]`.
        """

    def find_best(self, logits: Array, count: int) -> Best:
        """Finds the `count` largest, at most V, of logits `float32 [R, V]`.

        A row may be all -inf, or have values that are not numbers: it then gets any tokens.
        """
