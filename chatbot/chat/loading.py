"""Loading a chatbot while somebody waits for it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatbot.bot import Chatbot


def load_and_trace(
    model_dir: str, settings: Mapping[str, Any] | None = None, **how: Any
) -> Chatbot:
    """Loads a chatbot and makes the graphs that its first answer needs.

    Args:
        model_dir: The model directory.
        settings: {setting: value} for what is to differ from the directory's `SearchConfig`.
        **how: engine and reply_precision, as in `Chatbot.load`.

    Raises:
        ChatbotError: The model cannot be loaded.
    """
    # A million objects are made here that live to the end: looking for garbage among them takes a
    # second now, and another at the end.
    gc.disable()
    try:
        from chatbot.bot import Chatbot

        bot = Chatbot.load(model_dir, settings, **how)
        if "tensorflow" in sys.modules:
            _leave_graphs_alone()
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
