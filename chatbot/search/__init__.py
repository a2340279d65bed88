"""Ways to look for a reply, each from a batch of queries to ranked `Hypotheses`."""

from __future__ import annotations

from chatbot.search.beam import BeamSearch
from chatbot.search.fast import FastSearch
from chatbot.search.greedy import GreedySearch
from chatbot.search.hypotheses import Hypotheses, length_normalised
from chatbot.search.traced import TracedSearches

__all__ = [
    "BeamSearch",
    "FastSearch",
    "GreedySearch",
    "Hypotheses",
    "TracedSearches",
    "length_normalised",
]
