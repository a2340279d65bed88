"""The searches of one model as graphs, each made once."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from chatbot.inference import InferenceNetwork
from chatbot.model import Seq2Seq
from chatbot.search.beam import BeamSearch
from chatbot.search.fast import FastSearch
from chatbot.search.greedy import GreedySearch

SIGNATURE = [
    tf.TensorSpec([None, None], tf.int32, "query_ids"),
    tf.TensorSpec([None], tf.int32, "query_lengths"),
    tf.TensorSpec([], tf.int32, "max_reply_length"),
    tf.TensorSpec([], tf.float32, "penalty"),
]


WIDEST = 16
"""Widest beam in bfloat16: a step computes a few logits more than the beam is wide again, which for
a wider one would take as much time and memory as all logits."""
MOST = 4
"""Graphs that are kept: in bfloat16 each has the weights in it."""


class TracedSearches:
    """Makes a graph for each width of the beam, which serves batches of every shape.

    Where the model computes fast, the searches run in our own loop over the weights as they are
    when the first graph is made; elsewhere in the library's, over the weights as they are. Only one
    thread at a time may use it.
    """

    def __init__(self, model: Seq2Seq, precision: str) -> None:
        """Makes no graph yet.

        Args:
            model: The network.
            precision: Type of the products in our own loop.
        """
        self._model = model
        self._precision = precision
        self._networks: dict[str, InferenceNetwork] = {}
        self._graphs: dict[int, Any] = {}
        self._forgotten = 0

    def find(self, beam_size: int) -> Any:
        """Returns the graph for a width.

        Args:
            beam_size: Hypotheses that the beam keeps; 1 is greedy search.

        Returns:
            A `tf.function` that is called like a search.
        """
        graph = self._graphs.pop(beam_size, None)
        if graph is None:
            # No Python here needs converting to a graph, and trying to would take seconds.
            graph = tf.function(
                self._make(beam_size).__call__, input_signature=SIGNATURE, autograph=False
            )
        self._graphs[beam_size] = graph  # behind all others: the first is the one longest unused
        if len(self._graphs) > MOST:
            longest_unused = self._graphs.pop(next(iter(self._graphs)))
            self._forgotten += longest_unused.experimental_get_tracing_count()
        return graph

    def _make(self, beam_size: int) -> Any:
        if self._model.decoder.fast:
            precision = self._precision if beam_size <= WIDEST else "float32"
            if precision not in self._networks:
                self._networks[precision] = InferenceNetwork(self._model, precision)
            return FastSearch(self._networks[precision], beam_size)
        return GreedySearch(self._model) if beam_size == 1 else BeamSearch(self._model, beam_size)

    def count_traces(self) -> int:
        """Returns how many graphs have been traced."""
        traced = self._forgotten
        for graph in self._graphs.values():
            traced += graph.experimental_get_tracing_count()
        return traced
