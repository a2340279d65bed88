"""Encoded corpora: text made into numbers once, memory-mapped, and planned into batches."""

from __future__ import annotations

from chatbot.dataset.batch_plan import BatchPlan, EvaluationPlan
from chatbot.dataset.encode import EncodingConfig
from chatbot.dataset.encoded_corpus import Batch, Corpora, EncodedCorpus, encode_corpus

__all__ = [
    "Batch",
    "BatchPlan",
    "Corpora",
    "EncodedCorpus",
    "EncodingConfig",
    "EvaluationPlan",
    "encode_corpus",
]
