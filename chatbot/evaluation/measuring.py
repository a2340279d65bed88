"""All figures of one model on one corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chatbot.chatbot import Chatbot
from chatbot.config import SearchConfig
from chatbot.corpus import Pair
from chatbot.evaluation.perplexity import PairLosses, measure_perplexity, score_pairs
from chatbot.evaluation.replies import (
    Replies,
    describe_replies,
    list_signatures,
    measure_recall,
    measure_replies,
    run_search,
    spell,
    take_replies,
)
from chatbot.evaluation.searches import GREEDY, PEOPLE, Search, list_searches, name_beam
from chatbot.pair_hashes import HASH_TYPE, find_known, hash_pair
from chatbot.text import tokenize
from chatbot.turns import SEPARATOR

UNSEEN = "unseen"
_ROUNDING = 0.02  # nats; see `chatbot.chatbot` on precision
Chosen = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Evaluation:
    """What was found out about one model.

    Attributes:
        name: The model's name.
        figures: What `evaluate` gives.
        replies: {search: its first reply to each query}.
        reports: The training's reports.
    """

    name: str
    figures: dict[str, Any]
    replies: dict[str, list[str]]
    reports: list[dict[str, Any]]


class _Material(NamedTuple):
    """What the figures of one model are made from, each in the order of the N pairs.

    Attributes:
        queries: The queries' tokens, blanks between them.
        losses: What the model makes of people's replies.
        found: {search: its replies}, `GREEDY` among them.
        people: The corpus' own replies.
        beam: The name of the model's own beam, which may not be there.
    """

    queries: list[str]
    losses: PairLosses
    found: dict[str, Replies]
    people: Replies
    beam: str

    def measure(self, chosen: Chosen) -> tuple[dict[str, Any], dict[str, dict[str, Any] | None]]:
        """Measures by some of the pairs.

        Args:
            chosen: `bool [N]`.

        Returns:
            {figure: value} of the corpus and of the plain searches, and {search: {figure: value}},
            people among them; None in place of what needs a pair where there is none.
        """
        rows: dict[str, dict[str, Any] | None] = dict.fromkeys([*self.found, PEOPLE])
        if chosen.any():
            for name, replies in self.found.items():
                rows[name] = {
                    **measure_replies(replies, self.people, self.found[GREEDY], chosen),
                    "recall": measure_recall(self.queries, replies, self.people, chosen),
                }
            rows[PEOPLE] = describe_replies(self.people, chosen)
        return {**measure_perplexity(self.losses, chosen), **self._summarise(rows)}, rows

    def _summarise(self, rows: Mapping[str, dict[str, Any] | None]) -> dict[str, Any]:
        """Gives figures of the plain searches names of their own."""
        names = [(GREEDY, "recall", "greedy_recall")]
        if self.beam in rows:
            names.append((self.beam, "recall", f"{self.beam.replace(' ', '_')}_recall"))
            names.append((self.beam, "same_as_greedy_share", "greedy_equals_beam_share"))
        return {flat: (rows[row] or {}).get(figure) for row, figure, flat in names}

    def list_notes(self, seen: Chosen | None) -> list[str]:
        """Words what a reader of the figures must know.

        Args:
            seen: `bool [N]`, the pairs that the model has learned from, or None.
        """
        notes = []
        if seen is None:
            notes.append(
                "the model directory does not say which pairs were learned from (an older version "
                "made it), so there are no figures of unseen pairs; train again to have them"
            )
        elif seen.all():
            notes.append("the model has learned from all these pairs: there are no unseen ones")
        if self.beam in self.found:
            best = self.found[self.beam].best_log_probs.mean()
            greedy = self.found[GREEDY].log_probs.mean()
            if best < greedy - _ROUNDING:
                notes.append(
                    f"look into the search: the likeliest replies of {self.beam} have a mean log "
                    f"probability of {best:.3f}, below greedy search's {greedy:.3f}; over many "
                    "queries it should not be"
                )
        return notes


def find_seen(pairs: Sequence[Pair], pairs_path: Path) -> Chosen | None:
    """Finds the pairs that a model has learned from.

    Args:
        pairs: The pairs.
        pairs_path: The hashes of the pairs of its training.

    Returns:
        `bool [N]`, or None where the model has no hashes.

    Raises:
        ChatbotError: The file is damaged.
    """
    content = b"".join(hash_pair(tokenize(pair.query), tokenize(pair.reply)) for pair in pairs)
    return find_known(np.frombuffer(content, dtype=HASH_TYPE), pairs_path)


def evaluate(
    bot: Chatbot, pairs: Sequence[Pair], searches: Sequence[Search], seen: Chosen | None
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Measures everything.

    Args:
        bot: The model.
        pairs: At least one pair.
        searches: What to compare with greedy search and the model's own beam.
        seen: `bool [N]`, the pairs that the model has learned from, or None where nobody knows.

    Returns:
        {figure: value} as `chatbot.evaluate` describes it, and {search: its first reply to each
        query}.

    Raises:
        ChatbotError: A search does not fit the model's own settings.
    """
    listed = list_searches(bot.config, searches)
    queries = [pair.turns[-bot.config.corpus.context_turns :] for pair in pairs]
    material = _Material(
        [SEPARATOR.join(map(spell, turns)) for turns in queries],
        score_pairs(bot, pairs),
        {search.name: run_search(bot, queries, search) for search in listed},
        take_replies([pair.reply for pair in pairs]),
        name_beam(bot.config.search),
    )
    figures = {
        **_measure_both(bot.config.search, material, listed, seen),
        "signatures": list_signatures(),
        "notes": material.list_notes(seen),
    }
    return figures, {name: replies.texts for name, replies in material.found.items()}


def _measure_both(
    own: SearchConfig, material: _Material, listed: Sequence[Search], seen: Chosen | None
) -> dict[str, Any]:
    """Measures by all pairs and by those that the model has not learned from."""
    count = len(material.queries)
    everything = np.ones(count, dtype=np.bool_)
    unseen = np.zeros_like(everything) if seen is None else ~seen
    flat, rows = material.measure(everything)
    unseen_flat, unseen_rows = material.measure(unseen)
    if seen is None:
        unseen_flat = dict.fromkeys(unseen_flat)  # not even their number is known
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
        PEOPLE: {**(rows[PEOPLE] or {}), UNSEEN: unseen_rows[PEOPLE]},
    }
