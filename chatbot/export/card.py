"""The card that goes with an exported model: what it is, what it learned from, how good it is."""

from __future__ import annotations

import dataclasses
import math
import os
from typing import Any

from chatbot import __version__
from chatbot.bot import Chatbot
from chatbot.dataset.pair_hashes import HASH_BYTES
from chatbot.settings.config import Config, SearchConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.storage.reports import read_reports

_FIGURES = {
    "perplexity": "perplexity of the training pairs",
    "validation_perplexity": "perplexity of the validation pairs",
    "validation_perplexity_unseen": "perplexity of those that were not learned from",
}
_LICENCE = (
    "The code that trained and wrote this model is under the Apache License 2.0. The weights and "
    "the vocabulary come from the corpus: what may be done with them depends on its licence."
)


def write_card(directory: ModelDirectory, bot: Chatbot, form: str) -> str:
    """Writes the card in Markdown, with what the model directory knows.

    Args:
        directory: Where the model was trained.
        bot: The model, with the settings of the search that is exported.
        form: What it was exported as.
    """
    config = bot.config
    parts = {
        "The model": _describe_network(bot),
        "What it learned from": _describe_corpus(directory, config),
        "Figures": _list_figures(directory),
        "The search": _describe_search(config.search),
    }
    lines = [f"# {name_model(directory)}", "", f"A chatbot as {form}, by chatbot {__version__}."]
    for heading, rows in parts.items():
        lines += ["", f"## {heading}", "", *(f"- {row}" for row in rows)]
    return "\n".join([*lines, "", "## Licence", "", _LICENCE, ""])


def name_model(directory: ModelDirectory) -> str:
    """Returns the name of a model directory, of whatever characters, for a text."""
    name = os.path.basename(os.path.realpath(directory.path))
    return name.encode("utf-8", "replace").decode()


def _describe_network(bot: Chatbot) -> list[str]:
    sizes = bot.config.model
    count = sum(math.prod(v.shape) for v in bot.model.trainable_variables)
    attention = f"{sizes.attention} attention" if sizes.use_attention else "no attention"
    return [
        f"LSTM encoder and decoder of {sizes.num_layers} x {sizes.rnn_size} units, {attention}",
        f"{len(bot.vocabulary):,} words, vectors of {sizes.embedding_size} numbers",
        f"{count:,} weights",
        f"reads {bot.config.corpus.context_turns} turns, of each the first "
        f"{bot.config.corpus.max_length} tokens",
    ]


def _describe_corpus(directory: ModelDirectory, config: Config) -> list[str]:
    name = os.path.basename(config.corpus.corpus.rstrip("/")) or "unknown"
    rows = [f"corpus: {name.encode('utf-8', 'replace').decode()}"]
    if directory.pairs_path.is_file():
        count = directory.pairs_path.stat().st_size // HASH_BYTES
        rows.append(f"{count:,} pairs of query and reply")
    return rows


def _list_figures(directory: ModelDirectory) -> list[str]:
    checkpoint = directory.best()
    step = checkpoint.step if checkpoint else 0
    reports = [r for r in read_reports(directory.metrics_path) if _is_by(r, step)]
    latest: dict[str, Any] = reports[-1] if reports else {}
    rows = [f"{step:,} training steps"]
    for name, what in _FIGURES.items():
        if isinstance(latest.get(name), (int, float)):
            rows.append(f"{what}: {latest[name]:.2f}")
    return rows


def _is_by(report: dict[str, Any], step: int) -> bool:
    return isinstance(report.get("step"), int) and report["step"] <= step


def _describe_search(search: SearchConfig) -> list[str]:
    return [f"{name}: {value}" for name, value in dataclasses.asdict(search).items()]
