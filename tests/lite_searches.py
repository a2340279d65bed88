"""The searches in NumPy, called as those in TensorFlow, over the same networks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from chatbot.lite import sampling
from chatbot.lite.beam import search_with_beam
from chatbot.lite.forced import Forced, force
from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.interface import Best, Step
from chatbot.lite.rescoring import rescore
from chatbot.search import FREE, Choice, Rules, Weights
from chatbot.settings.config import SearchConfig

Found = TypeVar("Found", Hypotheses, Forced)


class EagerNetwork:
    """An `InferenceNetwork`, or a table, as the searches in NumPy take it."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self.vocab_size = network.vocab_size

    def start(self, query_ids: Any, query_lengths: Any) -> Any:
        attended, state = self._network.start(tf.constant(query_ids), tf.constant(query_lengths))
        return attended, np.array(state)

    def select(self, attended: Any, queries: Any) -> Any:
        if attended is None:
            return None
        return type(attended)(*(x if x is None else tf.gather(x, queries) for x in attended))

    def advance(self, last_ids: Any, attended: Any, state: Any) -> Step:
        assert last_ids.dtype == np.int32
        assert state.dtype == np.float32
        given = (tf.constant(last_ids), attended, tf.constant(state))
        outputs, following, alignments = self._network.advance(*given)
        logits = np.array(self._network.project(outputs)[:, : self.vocab_size])
        return Step(
            logits, np.array(following), None if alignments is None else np.array(alignments)
        )

    def find_best(self, logits: Any, count: int) -> Best:
        assert logits.dtype == np.float32
        return find_best(logits, count)


def find_best(logits: Any, count: int) -> Best:
    tokens = np.argsort(-logits, axis=1, kind="stable")[:, :count]
    normalizer = np.logaddexp.reduce(logits.astype(np.float64), axis=1).astype(np.float32)
    return Best(np.take_along_axis(logits, tokens, 1), tokens, normalizer)


class LiteBeam:
    """Is called as `BeamSearch`, or with groups as `DiverseSearch`."""

    def __init__(self, network: Any, groups: int = 1, strength: float = 0.0) -> None:
        self._network = EagerNetwork(network)
        self._groups = {"diverse_groups": groups, "diversity_strength": strength}

    def __call__(
        self,
        query_ids: Any,
        query_lengths: Any,
        max_reply_length: int,
        penalty: float,
        beam_size: int,
        rules: Rules = FREE,
    ) -> Hypotheses:
        settings = make_settings(
            beam_size,
            max_reply_length=max_reply_length,
            length_penalty=penalty,
            **self._groups,
            **rules._asdict(),
        )
        queries = (np.array(query_ids), np.array(query_lengths))
        return to_tensors(search_with_beam(self._network, *queries, settings))


class LiteSampling:
    """Is called as `SamplingSearch`."""

    def __init__(self, network: Any) -> None:
        self._network = EagerNetwork(network)

    def __call__(
        self,
        query_ids: Any,
        query_lengths: Any,
        numbers: Any,
        penalty: float,
        choice: Choice,
        rules: Rules = FREE,
    ) -> Hypotheses:
        settings = make_settings(
            numbers.shape[1],
            max_reply_length=numbers.shape[2],
            length_penalty=penalty,
            **choice._asdict(),
            **rules._asdict(),
        )
        queries = (np.array(query_ids), np.array(query_lengths))
        return to_tensors(sampling.sample(self._network, *queries, numbers, settings))


def draw(logits: Any, number: Any, choice: Choice) -> Any:
    """Is called as `chatbot.search.sampling.draw`."""
    settings = SearchConfig(**choice._asdict())
    network: Any = SimpleNamespace(vocab_size=logits.shape[1], find_best=find_best)
    return sampling.draw(network, np.array(logits), np.array(number), settings)


def invert(weights: Any, number: Any) -> Any:
    """Is called as `chatbot.search.sampling.invert`."""
    return sampling.invert(np.array(weights), np.array(number))


class LiteForced:
    """Is called as `ForcedPass`."""

    def __init__(self, network: Any) -> None:
        self._network = EagerNetwork(network)

    def __call__(self, *arguments: Any) -> Forced:
        return to_tensors(force(self._network, *map(np.array, arguments)))


class LiteRescoring:
    """Is called as `Rescoring`."""

    def __init__(self, network: Any) -> None:
        self._network = EagerNetwork(network)

    def __call__(
        self, query_ids: Any, query_lengths: Any, found: Hypotheses, weights: Weights
    ) -> Hypotheses:
        queries = (np.array(query_ids), np.array(query_lengths))
        arrays = Hypotheses(*map(np.array, found))
        return to_tensors(
            rescore(self._network, *queries, arrays, SearchConfig(**weights._asdict()))
        )


def make_settings(beam_size: int, **others: Any) -> SearchConfig:
    """Makes settings, of any width."""
    settings = SearchConfig(**others)
    object.__setattr__(settings, "beam_size", beam_size)
    return settings


def to_tensors(found: Found) -> Found:
    assert found[-1].dtype == np.float32
    return type(found)(*map(tf.constant, found))
