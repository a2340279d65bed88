"""The searches of one model as graphs, each traced once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from chatbot.lite.forced import Forced
from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.recording import Candidates
from chatbot.lite.sampling import draw_numbers
from chatbot.network.inference import InferenceNetwork
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search.beam import BeamSearch
from chatbot.search.diverse import DiverseSearch
from chatbot.search.forced import ForcedPass
from chatbot.search.recording import RecordingSearch
from chatbot.search.rescoring import WEIGHTS_SIGNATURE, Rescoring, Weights
from chatbot.search.rules import RULES_SIGNATURE, Rules
from chatbot.search.sampling import CHOICE_SIGNATURE, Choice, SamplingSearch
from chatbot.settings.config import SearchConfig

QUERIES = (
    tf.TensorSpec([None, None], tf.int32, "query_ids"),
    tf.TensorSpec([None], tf.int32, "query_lengths"),
)
LIMITS = (
    tf.TensorSpec([], tf.int32, "max_reply_length"),
    tf.TensorSpec([], tf.float32, "penalty"),
)
WIDTH = tf.TensorSpec([], tf.int32, "beam_size")
GROUPS = (tf.TensorSpec([], tf.int32, "groups"), tf.TensorSpec([], tf.float32, "strength"))
NUMBERS = tf.TensorSpec([None, None, None], tf.float32, "numbers")
REPLIES = (
    tf.TensorSpec([None, None, None], tf.int32, "ids"),
    tf.TensorSpec([None, None], tf.int32, "lengths"),
)
FOUND = Hypotheses(*REPLIES, *[tf.TensorSpec([None, None], tf.float32)] * 3)
WIDEST = 16
"""Widest beam in bfloat16: a step computes a few more logits than the beam is wide a second time,
which for a wider beam would take as much time and memory as all logits."""


class SearchGraphs:
    """Makes graphs that serve batches of every shape, each when it is first needed.

    By our own engine, one graph serves greedy search and every width of the beam, and
    a second one wide beams. By the library's these are its searches, with a graph for each
    width, and they alone follow the model's weights: every other graph keeps the weights that the
    model had when it was made. Only one thread at a time may use it.
    """

    def __init__(self, model: Seq2Seq, precision: str) -> None:
        """Makes no graph yet.

        Args:
            model: The network.
            precision: Type of the products in our own loops.
        """
        self._model = model
        self._precision = precision
        self._networks: dict[str, InferenceNetwork] = {}
        self._graphs: dict[Any, Any] = {}

    def search(self, query_ids: Any, query_lengths: Any, settings: SearchConfig) -> Hypotheses:
        """Replies to a batch of queries.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.
            settings: How to search.

        Returns:
            `beam_size` hypotheses a query, the best score first.
        """
        queries = (query_ids, query_lengths)
        rules = _list_rules(settings)
        given = (settings.max_reply_length, settings.length_penalty)
        if settings.sample:
            found = self._sample(queries, settings, rules)
        elif settings.diverse_groups > 1 and settings.beam_size > 1:
            graph = self._find("diverse", self._choose_precision(settings.beam_size))
            groups = (settings.diverse_groups, settings.diversity_strength)
            found = graph(*queries, *given, settings.beam_size, rules, *groups)
        elif self._model.engine.name == "own":
            graph = self._find("beam", self._choose_precision(settings.beam_size))
            found = graph(*queries, *given, settings.beam_size, rules)
        else:
            found = self._find(f"library {settings.beam_size}", "")(*queries, *given, rules)
        if settings.coverage_penalty == 0.0 and settings.mmi_weight == 0.0:
            return Hypotheses(*found)
        weights = Weights(*(getattr(settings, name) for name in Weights._fields))
        return Hypotheses(*self._find("rescoring", self._precision)(*queries, found, weights))

    def force(self, query_ids: Any, query_lengths: Any, ids: Any, lengths: Any) -> Forced:
        """Walks through given replies as `ForcedPass` does."""
        graph = self._find("forced", self._precision)
        return Forced(*graph(query_ids, query_lengths, ids, lengths))

    def record(
        self, query_ids: Any, query_lengths: Any, settings: SearchConfig
    ) -> list[Candidates]:
        """Searches with the plain beam, and returns what each step kept and dropped.

        Args:
            query_ids: `int32 [1, S]`.
            query_lengths: `int32 [1]`.
            settings: How to search.
        """
        search = RecordingSearch(self._lay_out(self._choose_precision(settings.beam_size)))
        rules = _list_rules(settings)
        limits = (settings.max_reply_length, settings.length_penalty, settings.beam_size)
        search(tf.convert_to_tensor(query_ids), tf.convert_to_tensor(query_lengths), *limits, rules)
        return search.steps

    def count_traces(self) -> int:
        """Returns how many graphs have been traced."""
        return sum(graph.experimental_get_tracing_count() for graph in self._graphs.values())

    def _sample(self, queries: Any, settings: SearchConfig, rules: Rules) -> Any:
        rows = [ids[:length] for ids, length in zip(*map(np.asarray, queries))]
        longest, replies = settings.max_reply_length, settings.beam_size
        numbers = draw_numbers(rows, settings.sampling_seed, replies, longest)
        choice = Choice(settings.temperature, settings.top_k, settings.top_p)
        graph = self._find("sample", self._precision)
        return graph(*queries, numbers, settings.length_penalty, choice, rules)

    def _choose_precision(self, continuations: int) -> str:
        return self._precision if continuations <= WIDEST else "float32"

    def _find(self, kind: str, precision: str) -> Any:
        """Returns the graph of a kind, made where there is none yet."""
        key = (kind, precision)
        if key not in self._graphs:
            function, signature = self._make(kind, precision)
            # No Python here needs autograph, which would take seconds.
            self._graphs[key] = tf.function(function, input_signature=signature, autograph=False)
        return self._graphs[key]

    def _make(self, kind: str, precision: str) -> tuple[Callable[..., Any], Any]:
        """Returns what to trace, and its signature."""
        limits, rules = (*QUERIES, *LIMITS), RULES_SIGNATURE
        if kind.startswith("library"):
            search = self._model.engine.make_search(self._model, int(kind.split()[1]))
            return search.__call__, (*limits, rules)
        network = self._lay_out(precision)
        made: dict[str, tuple[Callable[..., Any], Any]] = {
            "beam": (BeamSearch(network).__call__, (*limits, WIDTH, rules)),
            "diverse": (
                lambda *given: DiverseSearch(network, *given[-2:])(*given[:-2]),
                (*limits, WIDTH, rules, *GROUPS),
            ),
            "sample": (
                SamplingSearch(network).__call__,
                (*QUERIES, NUMBERS, LIMITS[1], CHOICE_SIGNATURE, rules),
            ),
            "rescoring": (Rescoring(network).__call__, (*QUERIES, FOUND, WEIGHTS_SIGNATURE)),
            "forced": (ForcedPass(network).__call__, (*QUERIES, *REPLIES)),
        }
        return made[kind]

    def _lay_out(self, precision: str) -> InferenceNetwork:
        if precision not in self._networks:
            self._networks[precision] = InferenceNetwork(self._model, precision)
        return self._networks[precision]


def _list_rules(settings: SearchConfig) -> Rules:
    return Rules(settings.min_reply_length, settings.no_repeat_ngram, settings.bans_unk)
