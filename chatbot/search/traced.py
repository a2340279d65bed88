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


WIDTH = tf.TensorSpec([], tf.int32, "beam_size")
WIDEST = 16
"""Widest beam in bfloat16: a step computes a few logits more than the beam is wide again, which for
a wider one would take as much time and memory as all logits."""


class TracedSearches:
    """Makes graphs that serve batches of every shape, each when it is first needed.

    Where the model computes fast, one graph over the weights as they are then serves every width
    of the beam, and a second one wide beams. Elsewhere the library's searches run, over the weights
    as they are, with a graph for each width. Only one thread at a time may use it.
    """

    def __init__(self, model: Seq2Seq, precision: str) -> None:
        """Makes no graph yet.

        Args:
            model: The network.
            precision: Type of the products in our own loop.
        """
        self._model = model
        self._precision = precision
        self._graphs: dict[Any, Any] = {}

    def find(self, beam_size: int) -> Any:
        """Returns a search of one width.

        Args:
            beam_size: Hypotheses that the beam keeps; 1 is greedy search.

        Returns:
            What is called like `GreedySearch`.
        """
        if not self._model.decoder.fast:
            return self._find_library_graph(beam_size)
        precision = self._precision if beam_size <= WIDEST else "float32"
        if precision not in self._graphs:
            search = FastSearch(InferenceNetwork(self._model, precision))
            self._graphs[precision] = _trace(search, [*SIGNATURE, WIDTH])
        graph, width = self._graphs[precision], tf.constant(beam_size)
        return lambda *arguments: graph(*arguments, width)

    def _find_library_graph(self, beam_size: int) -> Any:
        if beam_size not in self._graphs:
            greedy = beam_size == 1
            search = GreedySearch(self._model) if greedy else BeamSearch(self._model, beam_size)
            self._graphs[beam_size] = _trace(search, SIGNATURE)
        return self._graphs[beam_size]

    def count_traces(self) -> int:
        """Returns how many graphs have been traced."""
        traced = 0
        for graph in self._graphs.values():
            traced += graph.experimental_get_tracing_count()
        return traced


def _trace(search: Any, signature: Any) -> Any:
    # No Python here needs converting to a graph, and trying to would take seconds.
    return tf.function(search.__call__, input_signature=signature, autograph=False)
