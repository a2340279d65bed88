"""All figures of one model on one corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chatbot.bot import Chatbot
from chatbot.corpus import Pair
from chatbot.dataset.pair_hashes import HASH_TYPE, find_known, hash_pair
from chatbot.evaluation.hits import Asked, measure_hits
from chatbot.evaluation.intervals import Chosen
from chatbot.evaluation.lead import take_lead
from chatbot.evaluation.material import Material
from chatbot.evaluation.perplexity import score_pairs
from chatbot.evaluation.replies import count_overlaps, run_search, spell, take_replies
from chatbot.evaluation.searches import LEAD, UNSEARCHED, Search, list_searches, name_beam
from chatbot.evaluation.tasks import CHAT, TASKS, Metric, Task
from chatbot.settings.config import SearchConfig
from chatbot.text import SEPARATOR, tokenize

UNSEEN = "unseen"


@dataclass(frozen=True)
class Evaluation:
    """What was found out about one model.

    Attributes:
        name: The model's name.
        figures: From `evaluate`.
        replies: {search: its first reply to each query}.
        reports: The reports of its training.
    """

    name: str
    figures: dict[str, Any]
    replies: dict[str, list[str]]
    reports: list[dict[str, Any]]


def find_seen(pairs: Sequence[Pair], pairs_path: Path) -> Chosen | None:
    """Finds the pairs that a model has learned from, of several replies at least one.

    Args:
        pairs: The pairs.
        pairs_path: The hashes of the pairs of its training.

    Returns:
        `bool [N]`, or None where the model has no hashes.

    Raises:
        ChatbotError: The file is damaged.
    """
    every = ((tokenize(pair.query), reply) for pair in pairs for reply in pair.replies)
    content = b"".join(hash_pair(query, tokenize(reply)) for query, reply in every)
    known = find_known(np.frombuffer(content, dtype=HASH_TYPE), pairs_path)
    counts = np.array([len(pair.replies) for pair in pairs])
    return None if known is None else np.logical_or.reduceat(known, np.cumsum(counts) - counts)


def evaluate(
    bot: Chatbot,
    pairs: Sequence[Pair],
    searches: Sequence[Search],
    seen: Chosen | None,
    hits: Asked | None = None,
    task: str = CHAT,
) -> tuple[dict[str, Any], Material]:
    """Measures everything.

    Args:
        bot: The model.
        pairs: At least one pair; except for the chat from `gather_references`.
        searches: What to compare with greedy search and the model's own beam.
        seen: `bool [N]`, the pairs that the model has learned from, or None where nobody knows.
        hits: How to measure hits@k, or None for without.
        task: One of `TASKS`.

    Returns:
        The figures that `chatbot.programs.evaluate` describes, and what they are made from.

    Raises:
        ChatbotError: A search does not fit the model's own settings.
    """
    listed = list_searches(bot.config, searches)
    write = spell if TASKS[task].is_talk else str
    metrics = TASKS[task].make_metrics([[*map(write, pair.replies)] for pair in pairs])
    material = _gather(bot, pairs, listed, metrics, TASKS[task])
    if hits is not None:
        material = material._replace(hits=measure_hits(bot, pairs, hits))
    material = material._replace(seen=seen)
    notes = [metric.note for metric in metrics.values() if metric.note]
    figures = {
        "task": task,
        **_measure_both(bot.config.search, material, listed),
        "signatures": {name: metric.signature for name, metric in metrics.items()},
        "notes": [f"computed by {bot.engine} on {bot.device}", *material.list_notes(), *notes],
    }
    return figures, material


def _gather(
    bot: Chatbot,
    pairs: Sequence[Pair],
    searches: Sequence[Search],
    metrics: Mapping[str, Metric],
    task: Task,
) -> Material:
    """Scores the pairs and searches replies to their queries."""
    queries = [pair.turns[-bot.config.corpus.context_turns :] for pair in pairs]
    lead = take_lead(pairs) if task.has_lead else None
    if lead:
        lead = lead._replace(replies=count_overlaps(lead.replies, metrics, task.is_talk))
    return Material(
        [SEPARATOR.join(map(spell, turns)) for turns in queries],
        score_pairs(bot, pairs),
        {
            search.name: count_overlaps(run_search(bot, queries, search), metrics, task.is_talk)
            for search in searches
        },
        take_replies([pair.reply for pair in pairs]),
        name_beam(bot.config.search),
        task=task,
        lead=lead,
    )


def _measure_both(
    own: SearchConfig, material: Material, listed: Sequence[Search]
) -> dict[str, Any]:
    """Measures over all pairs and over those that the model has not learned from."""
    count, seen = len(material.queries), material.seen
    flat, rows = material.measure(np.ones(count, np.bool_))
    unseen_flat, unseen_rows = material.measure(material.unseen)
    if seen is None:
        unseen_flat = dict.fromkeys(unseen_flat)  # not even their number is known
    others = {
        name: {**(rows[name] or {}), UNSEEN: unseen_rows[name]}
        for name in UNSEARCHED
        if name in rows
    }
    if material.lead:
        others[LEAD]["words"] = material.lead.words
    return {
        **flat,
        "seen_share": None if seen is None else float(seen.mean()),
        **{f"{name}_{UNSEEN}": value for name, value in unseen_flat.items()},
        "searches": {
            search.name: {
                "settings": asdict(own.resolve(search.settings)),
                **(rows[search.name] or {}),
                "replies_per_second": count / material.found[search.name].seconds,
                UNSEEN: unseen_rows[search.name],
            }
            for search in listed
        },
        **others,
        "hits": _measure_hits(material),
    }


def _measure_hits(material: Material) -> dict[str, Any] | None:
    """Measures hits@k over all measured queries, and over those of unseen pairs."""
    if material.hits is None:
        return None
    found = material.measure_hits(np.ones(len(material.queries), np.bool_)) or {}
    unseen = material.measure_hits(material.unseen)
    return {"candidates": material.hits.candidates, **found, UNSEEN: unseen}
