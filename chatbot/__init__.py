"""A sequence-to-sequence chatbot in TensorFlow 2 on tensorflow_addons.

Notation in shapes, the same in every module:

    B  queries in a batch
    S  tokens of a query, padding included
    T  tokens of a reply, padding included
    E  width of a word vector (`embedding_size`)
    U  units of an LSTM layer (`rnn_size`)
    L  LSTM layers (`num_layers`)
    V  words in the vocabulary
    W  hypotheses in the beam (`beam_size`)
    N  real (unpadded) reply tokens in a batch
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatbot.bot import Chatbot, Reply
    from chatbot.training.interface import Training, train

__version__ = "1.0.0"
__all__ = ["Chatbot", "Reply", "Training", "__version__", "train"]

_MODULES = {
    **dict.fromkeys(("Chatbot", "Reply"), "chatbot.bot"),
    **dict.fromkeys(("Training", "train"), "chatbot.training.interface"),
}


def __getattr__(name: str) -> Any:
    """Imports what the package offers on first use, so that importing the package costs nothing."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_MODULES[name]), name)
    except AttributeError as error:  # Python would take it for "there is no such name", and drop it
        raise ImportError(f"{name} cannot be imported: {error}") from error
