"""Opens a model directory with the engine that a person has chosen, or the best there is."""

from __future__ import annotations

from chatbot.engines.onnx import is_installed, open_onnx
from chatbot.engines.searcher import Searcher
from chatbot.errors import ChatbotError
from chatbot.settings.config import Config
from chatbot.settings.sections import check_engine
from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.forking import refuse_fork
from chatbot.system.notices import hushed
from chatbot.system.processor import may_have_gpu


def open_searcher(
    directory: ModelDirectory,
    config: Config,
    vocab_size: int,
    engine: str = "auto",
    reply_precision: str = "auto",
) -> Searcher:
    """Opens what a chatbot searches with; only TensorFlow's engines import it.

    Args:
        directory: The model directory.
        config: Its settings.
        vocab_size: Words in the vocabulary, V.
        engine: "own", "addons", "onnx", or "auto": onnx where it is installed and there is no GPU.
        reply_precision: "float32", "int8" or "auto".

    Raises:
        ChatbotError: The model cannot be loaded, or the engine is not there.
        RuntimeError: As `refuse_fork`.
    """
    refuse_fork()
    check_engine(engine)
    is_exported = directory.exists() and not directory.has_index()
    if is_exported and engine in ("own", "addons"):
        raise ChatbotError(
            f"{directory.path} is an exported model without a checkpoint; take --engine=onnx"
        )
    prefers_onnx = is_exported or (is_installed() and not may_have_gpu())
    if engine == "onnx" or (engine == "auto" and prefers_onnx):
        return open_onnx(directory, config, vocab_size, reply_precision)
    if reply_precision == "int8":
        raise ChatbotError("--reply_precision=int8 needs --engine=onnx; name both, or neither")
    with hushed():
        from chatbot.engines.tensorflow import open_tensorflow
    return open_tensorflow(directory, config, vocab_size, engine, reply_precision)
