"""Loading a chatbot while somebody waits for it."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chatbot.system.notices import hushed

if TYPE_CHECKING:
    from chatbot.bot import Chatbot


def load_and_trace(
    model_dir: str, settings: Mapping[str, Any] | None = None, engine: str = "auto"
) -> Chatbot:
    """Loads a chatbot and makes the graphs that its first answer needs.

    TensorFlow is imported only here, so that what can go wrong without it is found before.

    Args:
        model_dir: The model directory.
        settings: {setting: value} for what is to differ from the directory's `SearchConfig`.
        engine: Who runs the network's loops, as in `Chatbot.load`.

    Raises:
        ChatbotError: The model cannot be loaded.
    """
    # A million objects are made here that live to the end: looking for garbage among them takes a
    # second now, and another at the end.
    gc.disable()
    try:
        with hushed():
            from chatbot.bot import Chatbot

        _leave_graphs_alone()
        bot = Chatbot.load(model_dir, settings, engine)
        bot.warm_up(beam_size=1, sample=False)
        search = bot.config.search
        if search.sample or (search.beam_search and search.beam_size > 1):
            bot.warm_up()
        gc.freeze()
    finally:
        gc.enable()
    return bot


def _leave_graphs_alone() -> None:
    """Switches TensorFlow's graph optimizer off in this process if there is no GPU.

    For a few replies it takes longer than it saves; on a GPU it chooses cuDNN's layers.
    """
    import tensorflow as tf

    from chatbot.network.device import has_gpu

    if not has_gpu():
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
