"""Searches by onnxruntime, over the graphs of a model directory."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from chatbot.engines.graphs import explaining, read_exported, read_or_make
from chatbot.errors import OnnxError
from chatbot.lite.forms import require_form
from chatbot.lite.searches import Searches
from chatbot.settings.config import Config
from chatbot.storage.model_directory import ModelDirectory
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
        OnnxError: onnxruntime or onnx is missing or broken, or cannot take this network.
        ChatbotError: There is neither a graph nor a checkpoint, or they are damaged.
    """
    require_form(config.model)
    if not is_installed():
        raise OnnxError("--engine=onnx needs onnxruntime", "pip install onnxruntime onnx")
    precision = choose_precision(config.training.precision, reply_precision)
    if directory.has_checkpoints():
        graphs = read_or_make(directory, config, vocab_size, precision)
    else:
        graphs, precision = read_exported(directory, config, precision)
    with explaining("onnxruntime cannot run the graphs"):
        return OnnxSearcher(graphs, precision)


def choose_precision(trained: str, asked: str) -> str:
    """Takes int8 for "auto", except after a training with `--precision=float32`."""
    if asked != "auto":
        return asked
    return "float32" if trained == "float32" else "int8"
