"""The formats that a model can be written in.

Each is a module of this package with two functions:

    settle(config, given)       the search that is written, a `SearchConfig`; raises `ChatbotError`
                                where the format has none of what the model or a flag asks for
    write(bot, place, quantize) writes the chatbot into a directory; returns the lines of a README
"""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """One format.

    Attributes:
        title: What a person calls it.
        quantize: How its weights can be made smaller.
        reads_text: Whether it cuts text into tokens itself.
    """

    title: str
    quantize: tuple[str, ...]
    reads_text: bool


FORMATS = {
    "saved_model": Format("a TensorFlow SavedModel", (), True),
    "tflite": Format("a TFLite model", ("float16", "int8"), False),
}
"""{module: format}."""
QUANTIZE = ("float16", "int8")
"""Every way to make weights smaller."""
