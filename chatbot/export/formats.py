"""The formats that a model can be written in.

Each has a module of this package with three functions:

    settle(config, given) -> SearchConfig
        the search to write, given {setting: value} for what is to differ from the model's own;
        raises `ChatbotError` where the format has not what is asked for
    write(bot, place, quantize) -> list[str]
        writes a chatbot with such a search into a directory; returns the lines of a README
    compare(bot, place, queries) -> str
        a sentence on how far the model that was written there does what the chatbot does
"""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """One format.

    Attributes:
        module: The module's name.
        title: What a person calls it.
        quantize: How its weights can be made smaller.
    """

    module: str
    title: str
    quantize: tuple[str, ...]


FORMATS = {
    "onnx": Format("onnx_graphs", "ONNX graphs", ("int8",)),
    "saved_model": Format("saved_model", "a TensorFlow SavedModel", ()),
    "tflite": Format("tflite", "a TFLite model", ("float16", "int8")),
}
"""{name: format}."""
QUANTIZE = sorted({kind for form in FORMATS.values() for kind in form.quantize})
"""Every way to make weights smaller."""
