"""Chooses who runs the network's loops in TensorFlow."""

from __future__ import annotations

import importlib.util

from chatbot.errors import ChatbotError
from chatbot.network.device import has_gpu
from chatbot.network.engine import Engine, OwnEngine
from chatbot.settings.sections import check_engine


def choose_engine(name: str = "auto") -> Engine:
    """Makes an engine.

    Args:
        name: "own", our loops; "addons", the classes of Keras and tensorflow_addons; "auto", the
            former on a processor, and on a GPU the latter where they are installed.

    Raises:
        ChatbotError: There is no such engine, it is not installed, or it only replies.
    """
    check_engine(name)
    if name == "onnx":
        raise ChatbotError("--engine=onnx replies but does not train; take own or addons")
    is_installed = importlib.util.find_spec("tensorflow_addons") is not None
    if name == "addons" and not is_installed:
        raise ChatbotError(
            "--engine=addons needs tensorflow-addons, which installs on Python 3.10 and 3.11 only; "
            "take one of these, or --engine=own"
        )
    if name == "own" or (name == "auto" and not (has_gpu() and is_installed)):
        return OwnEngine()
    from chatbot.addons import AddonsEngine

    return AddonsEngine()
