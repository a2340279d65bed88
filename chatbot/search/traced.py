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


class TracedSearches:
    """Makes a graph for each width of the beam, which serves batches of every shape.

    Where the model computes fast, the searches run in our own loop over the weights as they are
    when the first graph is made; elsewhere in the library's, over the weights as they are.
    """

    def __init__(self, model: Seq2Seq, precision: str) -> None:
        """Makes no graph yet.

        Args:
            model: The network.
            precision: Type of the products in our own loop.
        """
        self._model = model
        self._precision = precision
        self._network: InferenceNetwork | None = None
        self._graphs: dict[int, Any] = {}

    def find(self, beam_size: int) -> Any:
        """Returns the graph for a width.

        Args:
            beam_size: Hypotheses that the beam keeps; 1 is greedy search.

        Returns:
            A `tf.function` that is called like a search.
        """
        if beam_size not in self._graphs:
            # No Python here needs converting to a graph, and trying to would take seconds.
            self._graphs[beam_size] = tf.function(
                self._make(beam_size).__call__, input_signature=SIGNATURE, autograph=False
            )
        return self._graphs[beam_size]

    def _make(self, beam_size: int) -> Any:
        if self._model.decoder.fast:
            self._network = self._network or InferenceNetwork(self._model, self._precision)
            return FastSearch(self._network, beam_size)
        return GreedySearch(self._model) if beam_size == 1 else BeamSearch(self._model, beam_size)

    def count_traces(self) -> int:
        """Returns how many graphs have been traced."""
        return sum(graph.experimental_get_tracing_count() for graph in self._graphs.values())
