"""Searches by onnxruntime, over graphs that are made from the checkpoint where there are none."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from chatbot.errors import ChatbotError
from chatbot.lite.files import FORMAT, find_graphs, read_graphs, save_graphs
from chatbot.lite.searches import Searches
from chatbot.settings.config import Config
from chatbot.storage.checkpoints import Checkpoint
from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.notices import hushed, say
from chatbot.system.processor import describe_processor


class OnnxSearcher(Searches):
    """A `Searcher` over ONNX graphs.

    Attributes:
        engine: Who runs the network, as a person is told.
        device: What it computes on.
    """

    def __init__(self, graphs: dict[str, bytes], precision: str) -> None:
        """Takes the graphs, and the type of their weights."""
        from chatbot.lite.network import OnnxNetwork

        super().__init__(OnnxNetwork(graphs))
        self.engine = f"onnxruntime in {precision}"
        self.device = describe_processor()

    def score(self, query_ids: Any, query_lengths: Any, reply_ids: Any, reply_lengths: Any) -> Any:
        """As in `Searcher`."""
        lengths = reply_lengths[:, np.newaxis]
        # A reply's own end token is one of its tokens here, and the one behind it does not count.
        forced = self.force(query_ids, query_lengths, reply_ids[:, np.newaxis], lengths)
        return forced.log_probs[:, 0, :-1][np.arange(reply_ids.shape[1]) < lengths]

    def count_traces(self) -> int:
        """As in `Searcher`."""
        return 0


def is_installed() -> bool:
    """Tells whether onnxruntime is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


def open_onnx(
    directory: ModelDirectory, config: Config, vocab_size: int, reply_precision: str
) -> OnnxSearcher:
    """Opens a model directory's searches by onnxruntime.

    Args:
        directory: The model directory.
        config: Its settings.
        vocab_size: Words in the vocabulary, V.
        reply_precision: "float32", "int8" or "auto".

    Raises:
        ChatbotError: onnxruntime is not installed, or there is neither a graph nor a checkpoint.
    """
    if not is_installed():
        raise ChatbotError(
            "--engine=onnx needs onnxruntime; pip install onnxruntime onnx, or take --engine=own"
        )
    precision = choose_precision(config.training.precision, reply_precision)
    if not directory.has_index():
        graphs = _read_exported(directory, precision)
    else:
        graphs = _read_or_make(directory, config, vocab_size, precision)
    return OnnxSearcher(graphs, precision)


def choose_precision(trained: str, asked: str) -> str:
    """Takes int8 for "auto", except after a training with `--precision=float32`."""
    if asked != "auto":
        return asked
    return "float32" if trained == "float32" else "int8"


def identify(checkpoint: Checkpoint, config: Config) -> str:
    """Names the network of a checkpoint, without reading its weights."""
    described = [FORMAT, checkpoint.files, dataclasses.asdict(config.model)]
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _read_exported(directory: ModelDirectory, precision: str) -> dict[str, bytes]:
    """Reads the graphs of a directory that has no checkpoints, in any precision."""
    for name in (precision, "int8", "float32"):
        try:
            graphs = read_graphs(find_graphs(directory.path, name))
        except ChatbotError as error:
            raise ChatbotError(f"{error}; export the model again") from None
        if graphs is not None:
            return graphs
    raise ChatbotError(
        f"{directory.path} has neither a checkpoint nor graphs; export the model again"
    )


def _read_or_make(
    directory: ModelDirectory, config: Config, vocab_size: int, precision: str
) -> dict[str, bytes]:
    """Reads a model directory's graphs, or makes them where they are missing, older or damaged."""
    place, entry, graphs = find_graphs(directory.path, precision), directory.find_best_entry(), None
    if entry is not None:
        try:
            graphs = read_graphs(place, identify(entry, config))
        except ChatbotError as error:
            say(f"{error}; it is made again")
    return make_graphs(directory, config, vocab_size, precision) if graphs is None else graphs


def make_graphs(
    directory: ModelDirectory,
    config: Config,
    vocab_size: int,
    precision: str,
    tell: Callable[[str], None] = say,
) -> dict[str, bytes]:
    """Makes the graphs of the best checkpoint, and keeps them in the model directory.

    Args:
        directory: The model directory.
        config: Its settings.
        vocab_size: Words in the vocabulary, V.
        precision: "float32" or "int8".
        tell: Takes the line that says so.

    Raises:
        ChatbotError: There is no checkpoint, or the package onnx is not installed.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ChatbotError("writing ONNX graphs needs onnx; pip install onnx, or --engine=own")
    tell(f"writing {directory.path} as ONNX graphs in {precision}, which later starts read")
    with hushed():
        from chatbot.engines.conversion import take_weights
        from chatbot.engines.tensorflow import restore_model
    from chatbot.lite.writing import write_graphs

    model, checkpoint = restore_model(directory, config, vocab_size)
    graphs = write_graphs(take_weights(model), precision)
    try:
        place = find_graphs(directory.path, precision)
        save_graphs(place, graphs, identify(checkpoint, config))
    except OSError as error:
        tell(f"{directory.path} cannot keep them ({error.strerror}); each start writes them anew")
    return graphs
