"""Opens a model directory with the engine that a person has chosen, or the best there is."""

from __future__ import annotations

import importlib.util

from chatbot.engines.onnx import open_onnx
from chatbot.engines.searcher import Searcher
from chatbot.errors import ChatbotError, OnnxError
from chatbot.settings.choices import check_engine, check_reply_precision
from chatbot.settings.config import Config
from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.forking import refuse_fork
from chatbot.system.notices import hushed, say
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
        engine: "own", "addons", "onnx", or "auto": TensorFlow where there is a GPU, else onnx;
            where that cannot run, a line on standard error says so, and TensorFlow replies.
        reply_precision: "float32", "int8" or "auto".

    Raises:
        ChatbotError: The model cannot be loaded, or the engine is not there.
        RuntimeError: As `refuse_fork`.
    """
    refuse_fork()
    check_engine(engine)
    check_reply_precision(reply_precision)
    is_exported = not directory.has_checkpoints()
    if engine == "onnx" or (engine == "auto" and (is_exported or not may_have_gpu())):
        try:
            return open_onnx(directory, config, vocab_size, reply_precision)
        except OnnxError as error:
            if engine == "onnx" or is_exported:
                raise
            if reply_precision == "int8":
                raise ChatbotError(f"{error} --reply_precision=auto") from None
            say(f"{error}, which replies now")
    if is_exported:
        raise ChatbotError(f"{directory.path} has graphs alone; reply with --engine=onnx")
    if reply_precision == "int8":
        raise ChatbotError("--reply_precision=int8 needs --engine=onnx; name both, or neither")
    if importlib.util.find_spec("tensorflow") is None:
        raise ChatbotError(f"--engine={engine} needs TensorFlow; pip install -r requirements.txt")
    with hushed():
        from chatbot.engines.tensorflow import open_tensorflow
    return open_tensorflow(directory, config, vocab_size, engine, reply_precision)
