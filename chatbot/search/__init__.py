"""Searches for replies, each from a batch of queries to ranked `Hypotheses`."""

from __future__ import annotations

from chatbot.lite.forced import Forced
from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.recording import make_tree
from chatbot.lite.replies import write_replies
from chatbot.search.beam import BeamSearch
from chatbot.search.diverse import DiverseSearch
from chatbot.search.forced import ForcedPass
from chatbot.search.graphs import SearchGraphs
from chatbot.search.hypotheses import length_normalised
from chatbot.search.rescoring import Rescoring, Weights
from chatbot.search.rules import FREE, Rules
from chatbot.search.sampling import Choice, SamplingSearch

__all__ = [
    "FREE",
    "BeamSearch",
    "Choice",
    "DiverseSearch",
    "Forced",
    "ForcedPass",
    "Hypotheses",
    "Rescoring",
    "Rules",
    "SamplingSearch",
    "SearchGraphs",
    "Weights",
    "length_normalised",
    "make_tree",
    "write_replies",
]
