"""Names that settings choose from, where others need them too."""

from __future__ import annotations

from chatbot.errors import ChatbotError

ENGINES = ("auto", "own", "addons", "onnx")
ATTENTIONS = (
    *("bahdanau", "luong", "dot", "scaled_dot", "scaled_luong", "concat", "normed_bahdanau"),
    *("cosine", "multi_head", "local_m", "local_p", "monotonic", "luong_monotonic"),
    *("location", "coverage", "second_order"),
)
REPLY_PRECISIONS = ("auto", "float32", "int8")
ENGINE_HELP = (
    "Who runs the network: our own loops in TensorFlow (own), the classes of Keras and "
    "tensorflow_addons, as in the tutorial (addons), or onnxruntime without TensorFlow (onnx), "
    "which replies but does not train. On a processor auto trains by own and replies by onnx; on "
    "a GPU it takes addons where it is installed. A model of one runs by the others."
)


def check_engine(name: str) -> None:
    """Raises `ChatbotError` where there is no engine of a name."""
    if name not in ENGINES:
        raise ChatbotError(f"there is no engine {name!r}; take one of {', '.join(ENGINES)}")


def check_reply_precision(name: str) -> None:
    """Raises `ChatbotError` where replies have no such type of weights."""
    if name not in REPLY_PRECISIONS:
        raise ChatbotError(
            f"there is no reply_precision {name!r}; take one of {', '.join(REPLY_PRECISIONS)}"
        )
