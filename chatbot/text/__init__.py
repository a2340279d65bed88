"""Text to tokens and back, tokens to numbers and back, turns to queries."""

from __future__ import annotations

from chatbot.text.extended import SLOTS, ExtendedVocabulary, drop_slots
from chatbot.text.joining import has_ideograph, join
from chatbot.text.segmenter import Segmenter
from chatbot.text.specials import EOS, GO, PAD, SEP, SPECIAL_TOKENS, UNK
from chatbot.text.tokens import normalise, tokenize
from chatbot.text.turns import SEPARATOR, Query, check_query, end_reply, join_turns, tokenize_turns
from chatbot.text.vocabulary import Vocabulary

__all__ = [
    "EOS",
    "GO",
    "PAD",
    "SEP",
    "SEPARATOR",
    "SLOTS",
    "SPECIAL_TOKENS",
    "UNK",
    "ExtendedVocabulary",
    "Query",
    "Segmenter",
    "Vocabulary",
    "check_query",
    "drop_slots",
    "end_reply",
    "has_ideograph",
    "join",
    "join_turns",
    "normalise",
    "tokenize",
    "tokenize_turns",
]
