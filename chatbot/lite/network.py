"""Runs a network's graphs on onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import onnxruntime

from chatbot.lite.files import NAMES
from chatbot.lite.interface import Best, Step
from chatbot.system.forking import refuse_fork

MASKED = np.finfo(np.float32).min
"""Keeps the attention off padding when it is added to the scores."""


class Attended(NamedTuple):
    """What the decoder attends to, once a query whatever the beam's width.

    Attributes:
        memory: `float32 [B, S, U]`, the encoder's outputs.
        keys: `float32 [B, S, U]`.
        padding: `float32 [B, 1, S]`, added to the scores.
    """

    memory: Any
    keys: Any
    padding: Any


class OnnxNetwork:
    """Encodes queries and takes the decoder's steps; several threads may use it at once.

    Attributes:
        vocab_size: Words in the vocabulary, V.
    """

    def __init__(self, graphs: Mapping[str, bytes]) -> None:
        """Takes the graphs as `write_graphs` made them."""
        self._encoder, self._step, self._best = (_open_session(graphs[name]) for name in NAMES)
        self.vocab_size = int(self._step.get_outputs()[0].shape[1])

    def start(self, query_ids: Any, query_lengths: Any) -> tuple[Attended | None, Any]:
        """Encodes queries.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.

        Returns:
            What the decoder attends to, or None without attention, and its first state
            `float32 [B, X]`.

        Raises:
            RuntimeError: As `refuse_fork`.
        """
        refuse_fork()
        given = {"query_ids": query_ids, "query_lengths": query_lengths}
        found = self._encoder.run(None, given)
        if len(found) == 1:
            return None, found[0]
        state, memory, keys = found
        real = np.arange(query_ids.shape[1]) < np.asarray(query_lengths)[:, np.newaxis]
        padding = np.where(real, np.float32(0), MASKED)[:, np.newaxis]
        return Attended(memory, keys, padding), state

    def select(self, attended: Attended | None, queries: Any) -> Attended | None:
        """Returns of what the decoder attends to the part of some queries, `int64 [Q]`."""
        return None if attended is None else Attended(*(part[queries] for part in attended))

    def advance(self, last_ids: Any, attended: Attended | None, state: Any) -> Step:
        """Takes one step of the decoder.

        Args:
            last_ids: `int32 [R]`, each row's last token; R is a multiple of the queries.
            attended: From `start`; each query's rows follow one another.
            state: `float32 [R, X]`.
        """
        given = {"last_ids": last_ids, "state": state}
        if attended is None:
            logits, state = self._step.run(None, given)
            return Step(logits, state, None)
        return Step._make(self._step.run(None, {**given, **attended._asdict()}))

    def find_best(self, logits: Any, count: int) -> Best:
        """Finds the largest logits of each row.

        Args:
            logits: `float32 [R, V]`.
            count: How many, at most V.
        """
        given = {"logits": logits, "count": np.array([count], np.int64)}
        return Best._make(self._best.run(None, given))


def _open_session(graph: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Else one graph's threads still wait for work, at full speed, while the next graph runs.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
