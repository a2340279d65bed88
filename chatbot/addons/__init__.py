"""The same network by Keras and tensorflow_addons; tests hold our own loops equal to them."""

from __future__ import annotations

from chatbot.addons.beam_search import AddonsBeamSearch
from chatbot.addons.engine import AddonsEngine
from chatbot.addons.greedy_search import AddonsGreedySearch

__all__ = ["AddonsBeamSearch", "AddonsEngine", "AddonsGreedySearch"]
