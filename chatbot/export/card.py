"""The card that goes with an exported model: what it is, what it learned from, how good it is."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path
from typing import Any

from chatbot import __version__
from chatbot.bot import Chatbot
from chatbot.dataset.pair_hashes import HASH_BYTES
from chatbot.engines.tensorflow import find_model
from chatbot.settings.config import Config, SearchConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.storage.reports import read_reports

_FIGURES = {
    "perplexity": "perplexity of the training pairs, dropout included",
    "validation_perplexity": "perplexity of the validation pairs",
    "validation_perplexity_unseen": "perplexity of those of them that were not learned from",
    "validation_word_perplexity": "perplexity of the validation pairs, a word",
    "validation_word_perplexity_unseen": "perplexity of the unseen ones, a word",
}
_ALWAYS = "beam_size max_reply_length min_reply_length no_repeat_ngram ban_unk length_penalty"
"""Settings of the search that are listed whatever they are; others, where they say something."""
_LICENCE = """\
The code that trained and wrote this model is under the Apache License 2.0. Weights and vocabulary
were learned from the corpus: whether and how they may be used depends on the licence of that."""


def write_card(directory: ModelDirectory, bot: Chatbot, title: str, place: Path) -> str:
    """Writes the card in Markdown, with what the model directory knows.

    Args:
        directory: Where the model was trained.
        bot: The model, with the search that is exported.
        title: What it was exported as.
        place: Where the exported files are.
    """
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    parts = {
        "Model": _describe_network(bot),
        "Corpus": _describe_corpus(directory, bot.config),
        "Training": _list_figures(directory),
        "Search": _describe_search(bot.config.search),
    }
    lines = [f"# {name_model(directory)}", ""]
    lines += [f"A chatbot as {title}, {size / 1e6:,.1f} MB; written by chatbot {__version__}."]
    for heading, rows in parts.items():
        lines += ["", f"## {heading}", "", *(f"- {row}" for row in rows)]
    return "\n".join([*lines, "", "## Licence", "", _LICENCE, ""])


def name_model(directory: ModelDirectory) -> str:
    """Returns the name of a model directory; what UTF-8 has no bytes for becomes "?"."""
    return _make_writable(os.path.realpath(directory.path))


def _make_writable(path: str) -> str:
    return os.path.basename(path).encode("utf-8", "replace").decode()


def _describe_network(bot: Chatbot) -> list[str]:
    sizes, cut = bot.config.model, bot.config.corpus
    count = sum(
        math.prod(variable.shape) for variable in find_model(bot.searcher).trainable_variables
    )
    attention = f"{sizes.attention} attention" if sizes.use_attention else "no attention"
    turns = f"{cut.context_turns} turns" if cut.context_turns > 1 else "one turn"
    return [
        f"{sizes.cell.upper()} encoder and decoder, {sizes.num_layers} x {sizes.rnn_size} units "
        f"each, {attention}",
        f"{count:,} weights; {len(bot.vocabulary):,} words, vectors of {sizes.embedding_size}",
        *_describe_subwords(cut.subwords),
        f"reads {turns} of a dialogue, {cut.max_length} tokens of each",
    ]


def _describe_subwords(kind: str) -> list[str]:
    if kind == "none":
        return []
    return [f"words are cut into pieces by sentencepiece ({kind}), which tokens are"]


def _describe_corpus(directory: ModelDirectory, config: Config) -> list[str]:
    name = _make_writable(config.corpus.corpus.rstrip("/"))
    rows = [name or "its name is not known"]
    if directory.pairs_path.is_file():
        count = directory.pairs_path.stat().st_size // HASH_BYTES
        rows.append(f"{count:,} pairs of query and reply")
    return rows


def _list_figures(directory: ModelDirectory) -> list[str]:
    checkpoint = directory.best()
    step = checkpoint.step if checkpoint else 0
    rows = [f"{step:,} steps"]
    known: dict[str, Any] = {}
    for report in read_reports(directory.metrics_path):
        if report.get("step") == step:
            known.update(report)
    for name, what in _FIGURES.items():
        of_words = "_word_" in name  # the same figure where words are tokens
        if of_words and known.get(name) == known.get(name.replace("_word_", "_")):
            continue
        if isinstance(known.get(name), float):
            rows.append(f"{what}: {known[name]:.2f}")
    return rows


def _describe_search(search: SearchConfig) -> list[str]:
    changed = {item.name: item.default for item in dataclasses.fields(search)}
    names = _ALWAYS.split()
    if search.beam_size > 1:
        others = ("coverage_penalty", "mmi_weight", "mmi_tokens", "diverse_groups")
        names += [
            name
            for name in (*others, "diversity_strength")
            if getattr(search, name) != changed[name]
        ]
    return [f"`{name}`: {getattr(search, name)}" for name in names]
