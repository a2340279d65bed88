"""The graphs of a model directory: read, or made from its best checkpoint."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterator
from typing import Any

from chatbot.errors import ChatbotError, OnnxError
from chatbot.lite.files import FORMAT, DamagedGraphsError, find_graphs, read_graphs, save_graphs
from chatbot.settings.config import Config, ModelConfig
from chatbot.storage.checkpoints import Checkpoint
from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.notices import hushed, say

FIRST_SETTINGS = (
    *("rnn_size", "num_layers", "embedding_size", "dropout", "embedding_dropout", "word_dropout"),
    *("output_dropout", "variational_dropout", "tie_embeddings", "attention", "use_attention"),
)
"""What names a network whatever its value."""


def identify_network(directory: ModelDirectory, config: Config, precision: str) -> str:
    """Names the sizes and words of a model directory's network, and the type of its weights.

    Settings that came later count where they are not what they are in an older `config.json`, so
    that older graphs stay good.
    """
    words = directory.read_vocabulary_hash()
    named = {}
    for item in dataclasses.fields(ModelConfig):
        value, absent = getattr(config.model, item.name), item.metadata["absent"]
        if item.name in FIRST_SETTINGS or value != (item.default if absent is None else absent):
            named[item.name] = value
    return _hash([FORMAT, precision, named, words])


def identify_weights(checkpoint: Checkpoint) -> str:
    """Names the weights of a checkpoint, without reading them."""
    return _hash(checkpoint.files)


def _hash(described: Any) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def read_exported(
    directory: ModelDirectory, config: Config, precision: str
) -> tuple[dict[str, bytes], str]:
    """Reads the graphs of a directory that has no checkpoints.

    Returns:
        The graphs and their precision, which is another than the given one where that is missing.

    Raises:
        ChatbotError: There are none, or they are damaged.
    """
    for name in dict.fromkeys([precision, "int8", "float32"]):
        network = identify_network(directory, config, name)
        try:
            graphs = read_graphs(find_graphs(directory.path, name), network)
        except DamagedGraphsError as error:
            raise ChatbotError(f"{error}; export the model again") from None
        if graphs is not None:
            return graphs, name
    raise ChatbotError(
        f"{directory.path} has neither a checkpoint nor graphs that fit its config.json; "
        "export the model again"
    )


def read_or_make(
    directory: ModelDirectory, config: Config, vocab_size: int, precision: str
) -> dict[str, bytes]:
    """Reads a model directory's graphs, or makes them where they are missing, older or damaged.

    Raises:
        ChatbotError: As `make_graphs`, or there is no whole checkpoint.
    """
    place = find_graphs(directory.path, precision)
    network = identify_network(directory, config, precision)
    entry = directory.find_best_entry()
    try:
        graphs = entry and read_graphs(place, network, identify_weights(entry))
        if graphs:
            return graphs
        whole = directory.require_best()  # another one where files are damaged
        graphs = read_graphs(place, network, identify_weights(whole)) if whole != entry else None
    except DamagedGraphsError as error:
        say(f"{error}; the graphs are made again")
        whole, graphs = directory.require_best(), None
    return graphs or make_graphs(directory, config, vocab_size, precision, whole)


def make_graphs(
    directory: ModelDirectory,
    config: Config,
    vocab_size: int,
    precision: str,
    checkpoint: Checkpoint,
    tell: Callable[[str], None] = say,
) -> dict[str, bytes]:
    """Makes the graphs of a checkpoint, and keeps them in the model directory.

    Args:
        directory: The model directory.
        config: Its settings.
        vocab_size: Words in the vocabulary, V.
        precision: "float32" or "int8".
        checkpoint: The checkpoint.
        tell: Takes the line that says so.

    Raises:
        OnnxError: onnx is missing or broken, or cannot take this network.
        ChatbotError: The checkpoint does not fit the settings, or TensorFlow is not installed.
    """
    if importlib.util.find_spec("onnx") is None:
        raise OnnxError("writing ONNX graphs needs onnx", "pip install onnx")
    if importlib.util.find_spec("tensorflow") is None:
        raise ChatbotError(
            f"{directory.path} has no graphs that fit its checkpoint, and to make them needs "
            "TensorFlow; pip install -r requirements.txt"
        )
    with hushed():
        from chatbot.engines.conversion import take_weights
        from chatbot.engines.tensorflow import restore_model
    with explaining("onnx cannot write graphs"):
        from chatbot.lite.writing import write_graphs

    weights = take_weights(restore_model(directory, config, vocab_size, checkpoint))
    if not weights.are_finite():
        raise OnnxError(
            f"{directory.path / checkpoint.name} has weights that are not numbers", "train again"
        )
    tell(f"writing {directory.path} as ONNX graphs in {precision}, which later starts read")
    graphs = write_graphs(weights, precision)
    network = identify_network(directory, config, precision)
    try:
        place = find_graphs(directory.path, precision)
        save_graphs(place, graphs, network, identify_weights(checkpoint))
    except OSError as error:
        reason = error.strerror or error
        tell(f"{directory.path} cannot keep them ({reason}); each start writes them anew")
    return graphs


@contextlib.contextmanager
def explaining(problem: str) -> Iterator[None]:
    """Makes one line of whatever a package raises that does not fit the others or this machine."""
    try:
        yield
    except ChatbotError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise OnnxError(
            f"{problem} ({reason})", "install the versions in requirements.txt"
        ) from error
