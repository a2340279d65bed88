"""Ways to look for a reply, each from a batch of queries to ranked `Hypotheses`."""

from __future__ import annotations

from chatbot.search.beam import BeamSearch
from chatbot.search.greedy import GreedySearch
from chatbot.search.hypotheses import Hypotheses, length_normalised

__all__ = ["BeamSearch", "GreedySearch", "Hypotheses", "length_normalised"]
