"""Measures of a model on a corpus: perplexity, replies beside people's, tables and a page."""

from __future__ import annotations
