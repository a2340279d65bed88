"""Small models to export, and odd queries to ask them."""

from __future__ import annotations

from typing import Any

import numpy as np

from chatbot.bot import Chatbot
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import Config
from chatbot.text import Vocabulary
from tests.helpers_chat import CONFIG, WORDS, wrap_model

QUERIES = (
    "hello",
    "Hello, how ARE you?",
    "你好吗？",
    "hello 你好 pip",
    "?!.,",
    "",
    " \t\n ",
    "pip " * 30,
    "zzz qqq",
    "<eos> <unk>",
    "ＨＥＬＬＯ\u200b ‘hi’",
    "e\u0301t\u00e9",
    "👩\u200d👩\u200d👧",
    "a\x00b\x1b[31m",
)


def make_bot(seed: int = 3, scale: float = 0.7, **settings: Any) -> Chatbot:
    """A chatbot with random weights, in float32."""
    config: Config = CONFIG.replace(settings)
    model = Seq2Seq(config.model, len(WORDS))
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0.0, scale, variable.shape))
    return wrap_model(config, Vocabulary(WORDS), model)
