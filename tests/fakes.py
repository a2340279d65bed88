"""A network whose every probability is written down in a table, to test the searches alone."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorflow as tf

from chatbot.network.inference import InferenceNetwork
from chatbot.search import FREE, BeamSearch, Rules
from tests.lite_searches import LiteBeam
from tests.oracles import Stepper, log_softmax

NEVER = 1e-12
"""Passes for a probability of 0, whose logarithm the library cannot add up."""
TABLE_QUERIES = (tf.constant([[0], [1]]), tf.constant([1, 1]))
"""A batch that asks for the first two rows of a table."""


class TableCell:
    """Looks up log probabilities; its state `[R, 2]` is the query's number and the time."""

    state_size = 2

    def __init__(self, log_probs: Any) -> None:
        self._table = tf.constant(log_probs, tf.float32)
        self.output_size = int(self._table.shape[-1])

    def __call__(self, inputs: Any, states: Any) -> Any:
        query, time = tf.unstack(tf.cast(states, tf.int32), axis=-1)
        last_ids = tf.argmax(inputs, axis=-1, output_type=tf.int32)
        log_probs = tf.gather_nd(self._table, tf.stack([query, time, last_ids], axis=-1))
        return log_probs, states + tf.constant([0.0, 1.0])


class TableModel:
    """Has of `Seq2Seq` what a search uses; a query is one token, its row in the table."""

    def __init__(self, log_probs: Any) -> None:
        """Takes log probabilities `[queries, times, last token, next token]`."""
        self._log_probs = np.asarray(log_probs, np.float64)
        self.vocab_size = self._log_probs.shape[-1]
        self.decoder = SimpleNamespace(cell=TableCell(log_probs), start=self._start)
        self.projection = tf.identity

    def encode(self, query_ids: Any, query_lengths: Any) -> Any:
        del query_lengths
        return tf.cast(query_ids[:, 0], tf.float32)

    def _start(self, queries: Any, beam_size: int = 1) -> Any:
        numbers = tf.repeat(queries, beam_size)
        return tf.stack([numbers, tf.zeros_like(numbers)], axis=-1)

    def embed(self, ids: Any) -> Any:
        return tf.one_hot(ids, self.vocab_size)

    def stepper(self, query: int) -> Stepper:
        """Returns the same table for the oracles' searches."""

        def advance(time: Any, token: int) -> tuple[Any, Any]:
            time = time or 0
            return time + 1, self._log_probs[query, time, token]

        return advance


class TableNetwork:
    """Has of `InferenceNetwork` what a search uses, over the same table."""

    is_exact = True
    slots = 0

    def __init__(self, model: TableModel) -> None:
        self._model = model
        self.vocab_size = self.filler = model.decoder.cell.output_size
        self.width = self.vocab_size + 1

    def start(self, query_ids: Any, query_lengths: Any) -> Any:
        return None, self._model.decoder.start(self._model.encode(query_ids, query_lengths))

    def advance(self, last_ids: Any, attended: Any, state: Any) -> Any:
        del attended
        return *self._model.decoder.cell(self._model.embed(last_ids), state), None

    def project(self, outputs: Any) -> Any:
        return tf.pad(outputs, [[0, 0], [0, 1]], constant_values=-np.inf)


def make_search(
    engine: str, model: Any, beam_size: int | None = None, rules: Rules = FREE
) -> Callable[..., Any]:
    """Makes an engine's search of a network or a table; without a width it is greedy."""
    is_table = isinstance(model, TableModel)
    if engine in ("own", "lite"):
        kind: Any = BeamSearch if engine == "own" else LiteBeam
        own = kind(TableNetwork(model) if is_table else InferenceNetwork(model))
        return lambda *arguments: own(*arguments, beam_size or 1, rules)
    from chatbot import addons

    decoder = model.decoder if is_table else None
    search: Any = (
        addons.AddonsGreedySearch(model, decoder)
        if beam_size is None
        else addons.AddonsBeamSearch(model, beam_size, decoder)
    )
    return lambda *arguments: search(*arguments, rules)


def draw_table(seed: int, queries: int, times: int, vocab_size: int) -> Any:
    """Draws log probabilities far from equal."""
    logits = np.random.default_rng(seed).normal(0, 2, [queries, times, vocab_size, vocab_size])
    return log_softmax(logits)
