"""The searches of tensorflow_addons over the same network; tests hold our own equal to them."""

from __future__ import annotations

from chatbot.addons.beam_search import AddonsBeamSearch
from chatbot.addons.greedy_search import AddonsGreedySearch
from chatbot.network.seq2seq import Seq2Seq

__all__ = ["AddonsBeamSearch", "AddonsGreedySearch", "make_search"]


def make_search(model: Seq2Seq, beam_size: int) -> AddonsBeamSearch | AddonsGreedySearch:
    """Makes the library's search of a width: 1 is greedy search."""
    return AddonsGreedySearch(model) if beam_size == 1 else AddonsBeamSearch(model, beam_size)
