"""Ways to look for a reply, each from a batch of queries to ranked `Hypotheses`."""

from __future__ import annotations

from chatbot.search.beam import BeamSearch
from chatbot.search.diverse import DiverseSearch
from chatbot.search.fast import FastSearch
from chatbot.search.forced import Forced, ForcedPass
from chatbot.search.greedy import GreedySearch
from chatbot.search.hypotheses import Hypotheses, length_normalised
from chatbot.search.recording import make_tree
from chatbot.search.rescoring import Rescoring, Weights
from chatbot.search.rules import FREE, Rules
from chatbot.search.sampling import Choice, SamplingSearch
from chatbot.search.traced import TracedSearches

__all__ = [
    "FREE",
    "BeamSearch",
    "Choice",
    "DiverseSearch",
    "FastSearch",
    "Forced",
    "ForcedPass",
    "GreedySearch",
    "Hypotheses",
    "Rescoring",
    "Rules",
    "SamplingSearch",
    "TracedSearches",
    "Weights",
    "length_normalised",
    "make_tree",
]
