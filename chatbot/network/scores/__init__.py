"""Every kind of attention: its variables, and how its weights come from them."""

from __future__ import annotations

from random import Random

from chatbot.network.scores.additive import Bahdanau, Concat, NormedBahdanau
from chatbot.network.scores.base import Attended, Score
from chatbot.network.scores.cosine import Cosine
from chatbot.network.scores.coverage import Coverage
from chatbot.network.scores.local import LocalM, LocalP
from chatbot.network.scores.location import Location
from chatbot.network.scores.monotonic import LuongMonotonic, Monotonic
from chatbot.network.scores.multi_head import MultiHead
from chatbot.network.scores.multiplicative import Dot, Luong, ScaledDot, ScaledLuong
from chatbot.network.scores.second_order import SecondOrder
from chatbot.settings.config import ModelConfig

__all__ = [
    "SCORES",
    "Attended",
    "Bahdanau",
    "Luong",
    "LuongMonotonic",
    "Monotonic",
    "NormedBahdanau",
    "ScaledLuong",
    "Score",
    "make_score",
]

SCORES: dict[str, type[Score]] = {
    "bahdanau": Bahdanau,
    "concat": Concat,
    "cosine": Cosine,
    "coverage": Coverage,
    "dot": Dot,
    "local_m": LocalM,
    "local_p": LocalP,
    "location": Location,
    "luong": Luong,
    "luong_monotonic": LuongMonotonic,
    "monotonic": Monotonic,
    "multi_head": MultiHead,
    "normed_bahdanau": NormedBahdanau,
    "scaled_dot": ScaledDot,
    "scaled_luong": ScaledLuong,
    "second_order": SecondOrder,
}
"""{`--attention`: its class}."""


def make_score(config: ModelConfig, seeds: Random) -> Score:
    """Makes the attention of a network, with its first weights."""
    return SCORES[config.attention](config, seeds)
