"""Models measured on one corpus, and what is shown and kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chatbot.bot import Chatbot
from chatbot.corpus import Pair
from chatbot.evaluation.differences import subtract_models
from chatbot.evaluation.figures import Evaluation, evaluate, find_seen
from chatbot.evaluation.hits import Asked
from chatbot.evaluation.material import Material
from chatbot.evaluation.report import Evaluations, write_report
from chatbot.evaluation.searches import Search, list_searches
from chatbot.evaluation.tables import (
    format_markdown,
    format_table,
    list_examples,
    list_remarks,
    list_tables,
    make_line,
    write_models,
)
from chatbot.evaluation.tasks import CHAT
from chatbot.storage.model_directory import ModelDirectory
from chatbot.storage.reports import read_reports

__all__ = [
    "check_directory",
    "evaluate_directories",
    "format_examples",
    "format_figures",
    "write_figures",
    "write_report",
]


def check_directory(
    model_dir: str, searches: Sequence[Search], settings: Mapping[str, Any] | None = None
) -> None:
    """Finds before the work begins what would stop `evaluate_directories`.

    Raises:
        ChatbotError: There is no model, it is damaged, or a search does not fit it.
    """
    directory = ModelDirectory(model_dir)
    config, _ = directory.load()
    directory.check_pairs()
    list_searches(config.replace(settings or {}), searches)
    if directory.has_checkpoints():  # else it is an export
        directory.checkpoints()


def evaluate_directories(
    model_dirs: Sequence[str],
    pairs: Sequence[Pair],
    searches: Sequence[Search],
    settings: Mapping[str, Any] | None = None,
    hits: Asked | None = None,
    task: str = CHAT,
    **how: Any,
) -> Evaluations:
    """Loads models, measures everything, and compares each further model with the first.

    Args:
        model_dirs: Their directories, at least one.
        pairs: At least one pair; except for the chat from `gather_references`.
        searches: What to compare with greedy search and the model's own beam.
        settings: {setting: value} for what is to differ from the directory's `SearchConfig`.
        hits: How to measure hits@k, or None for without.
        task: One of `TASKS`.
        **how: engine and reply_precision, as in `Chatbot.load`.

    Raises:
        ChatbotError: A model cannot be loaded, or a search does not fit it.
    """
    evaluations = Evaluations()
    first: Material | None = None
    for name in model_dirs:
        directory = ModelDirectory(name)
        bot = Chatbot.load(name, settings, **how)
        seen = find_seen(pairs, directory.pairs_path)
        figures, material = evaluate(bot, pairs, searches, seen, hits, task)
        if first is None:
            first = material
        else:
            differences = subtract_models(material, first)
            figures["from_first"] = {"model": model_dirs[0], **differences}
            if differences["perplexity"] is None:
                figures["notes"].append(
                    f"its perplexity cannot be compared with that of {model_dirs[0]}: the two "
                    "count other tokens (another vocabulary or --max_length); the difference a "
                    "word is over whole replies of words that both know"
                )
        replies = {search: found.texts for search, found in material.found.items()}
        reports = read_reports(directory.metrics_path)
        evaluations.append(Evaluation(name, figures, replies, reports))
    return evaluations


def format_figures(evaluations: Sequence[Evaluation]) -> str:
    """Writes the tables and the notes for a terminal."""
    parts = [format_table(table) for table in list_tables(evaluations)]
    parts.append("\n".join(list_remarks(evaluations)))
    for found in evaluations:
        parts += [f"{make_line(found.name)}: {make_line(note)}" for note in found.figures["notes"]]
    return "\n\n".join(parts)


def format_examples(evaluations: Sequence[Evaluation], pairs: Sequence[Pair]) -> str:
    """Writes what every search replies to the first queries as a Markdown table."""
    return format_markdown(list_examples(evaluations, pairs))


def write_figures(path: Path, evaluations: Sequence[Evaluation]) -> None:
    """Writes the figures as the JSON that `chatbot.programs.evaluate` describes.

    Raises:
        ChatbotError: The file cannot be written.
    """
    write_models(path, {found.name: found.figures for found in evaluations})
