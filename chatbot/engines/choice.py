"""Chooses who runs the network's loops in TensorFlow."""

from __future__ import annotations

import importlib.util

from chatbot.errors import ChatbotError
from chatbot.network.device import has_gpu
from chatbot.network.engine import Engine, OwnEngine
from chatbot.settings.choices import check_engine
from chatbot.settings.config import ModelConfig
from chatbot.system.notices import say


def choose_engine(name: str = "auto", config: ModelConfig | None = None) -> Engine:
    """Makes an engine.

    Args:
        name: "own", our loops; "addons", the classes of Keras and tensorflow_addons; "auto", the
            former on a processor, and on a GPU the latter where they are installed. What they have
            no form for auto runs by our loops, and says so on standard error.
        config: The network's settings; None for a network that any engine has.

    Raises:
        ChatbotError: There is no such engine, it is not installed, has no form for the network, or
            only replies.
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
    from chatbot.addons.forms import find_missing_form

    missing = None if config is None else find_missing_form(config)
    if missing is not None:
        problem = f"--engine=addons has no {missing}"
        if name == "addons":
            raise ChatbotError(f"{problem}; take --engine=own")
        say(f"{problem}; our own loops compute")
        return OwnEngine()
    return AddonsEngine()
