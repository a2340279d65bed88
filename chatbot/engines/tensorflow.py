"""Searches by TensorFlow, with the engine that a person has chosen."""

from __future__ import annotations

import threading
from typing import Any

import tensorflow as tf

from chatbot.engines.choice import choose_engine
from chatbot.engines.searcher import Searcher
from chatbot.lite.forced import Forced
from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.recording import Candidates
from chatbot.network.device import prepare_device, resolve_precision
from chatbot.network.seq2seq import BATCH_SIGNATURE, Seq2Seq
from chatbot.search import SearchGraphs
from chatbot.settings.config import Config, SearchConfig
from chatbot.storage.checkpoints import Checkpoint
from chatbot.storage.model_directory import ModelDirectory
from chatbot.storage.tracking import track_for_replies
from chatbot.system.forking import taking_turns


class TensorFlowSearcher:
    """A `Searcher` over a network in TensorFlow.

    Attributes:
        model: The network; the first search takes its weights, so change them before it or not at
            all.
        device: What it computes on.
    """

    def __init__(self, model: Seq2Seq, precision: str, device: str = "unknown") -> None:
        """Takes a network, in float32, as it is.

        Args:
            model: The network.
            precision: Type of the products in our own loops.
            device: What it computes on.
        """
        self.model = model
        self.device = device
        self._graphs = SearchGraphs(model, precision)
        # Two threads must not make graphs at once, nor give the attention its memory while they do.
        self._lock = threading.Lock()
        self._losses: Any = None

    @property
    def engine(self) -> str:
        """Who runs the network."""
        return self.model.engine.title

    def search(self, query_ids: Any, query_lengths: Any, settings: SearchConfig) -> Hypotheses:
        """As in `Searcher`."""
        with taking_turns(self._lock):
            found = self._graphs.search(query_ids, query_lengths, settings)
        return Hypotheses(*(tensor.numpy() for tensor in found))

    def force(self, query_ids: Any, query_lengths: Any, ids: Any, lengths: Any) -> Forced:
        """As in `Searcher`."""
        with taking_turns(self._lock):
            forced = self._graphs.force(query_ids, query_lengths, ids, lengths)
        return Forced(*(tensor.numpy() for tensor in forced))

    def record(
        self, query_ids: Any, query_lengths: Any, settings: SearchConfig
    ) -> list[Candidates]:
        """As in `Searcher`."""
        with taking_turns(self._lock):
            return self._graphs.record(query_ids, query_lengths, settings)

    def score(self, query_ids: Any, query_lengths: Any, reply_ids: Any, reply_lengths: Any) -> Any:
        """As in `Searcher`, with one projection for all tokens."""
        with taking_turns(self._lock):
            if self._losses is None:
                self._losses = tf.function(
                    self.model.token_log_losses, input_signature=BATCH_SIGNATURE, autograph=False
                )
            return -self._losses(query_ids, query_lengths, reply_ids, reply_lengths).numpy()

    def count_traces(self) -> int:
        """As in `Searcher`."""
        return self._graphs.count_traces()


def find_model(searcher: Searcher) -> Seq2Seq:
    """Returns the network that a searcher runs.

    Raises:
        TypeError: It runs none in TensorFlow.
    """
    if not isinstance(searcher, TensorFlowSearcher):
        raise TypeError(f"there is no network in TensorFlow with {searcher.engine}")
    return searcher.model


def restore_model(
    directory: ModelDirectory, config: Config, vocab_size: int, checkpoint: Checkpoint
) -> Seq2Seq:
    """Loads a checkpoint of a model directory.

    Raises:
        ChatbotError: It does not fit the settings, or cannot be read.
    """
    model = Seq2Seq(config.model, vocab_size)
    tracked = track_for_replies(model, config.training.average_decay)
    directory.restore(tracked, checkpoint, whole=False)
    return model


def open_tensorflow(
    directory: ModelDirectory, config: Config, vocab_size: int, engine: str, reply_precision: str
) -> TensorFlowSearcher:
    """Opens a model directory's searches by TensorFlow.

    Args:
        directory: The model directory.
        config: Its settings.
        vocab_size: Words in the vocabulary, V.
        engine: "own", "addons" or "auto".
        reply_precision: "auto" or "float32".

    Raises:
        ChatbotError: There is no whole checkpoint; as `restore_model` and `choose_engine`.
    """
    device = prepare_device()
    chosen = choose_engine(engine, config.model)
    model = restore_model(directory, config, vocab_size, directory.require_best())
    model.engine = chosen
    precision = choose_precision(config.training.precision, reply_precision)
    return TensorFlowSearcher(model, precision, device)


def choose_precision(trained: str, asked: str = "auto") -> str:
    """Keeps to float32 what was trained in it; else replies as training would compute here.

    Args:
        trained: The training's `precision`.
        asked: "float32", or "auto".
    """
    return "float32" if "float32" in (trained, asked) else resolve_precision("auto")
