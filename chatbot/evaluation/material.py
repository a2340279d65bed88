"""What the figures of one model are made from, and the figures of any of the pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chatbot.evaluation.hits import Hits, estimate_hits
from chatbot.evaluation.intervals import (
    LEAST_DIALOGUES,
    Chosen,
    Dialogues,
    Estimate,
    find_difference,
    find_interval,
)
from chatbot.evaluation.lead import Lead
from chatbot.evaluation.perplexity import PairLosses, measure_perplexity
from chatbot.evaluation.replies import (
    Replies,
    describe_replies,
    estimate_overlaps,
    estimate_replies,
    measure_recall,
)
from chatbot.evaluation.searches import GREEDY, LEAD, PEOPLE
from chatbot.evaluation.tasks import CHAT, TASKS, Task

Estimates = dict[str, Estimate]
HIGHEST = {
    "bleu": 100.0,
    "chrf": 100.0,
    "rouge_1": 100.0,
    "rouge_2": 100.0,
    "rouge_l": 100.0,
    "distinct_1": 1.0,
    "distinct_2": 1.0,
    "commonest_share": 1.0,
    "same_as_greedy_share": 1.0,
    "mean_log_prob": 0.0,
    "hits_1": 1.0,
    "hits_5": 1.0,
}
"""The greatest values that figures can have."""
_ROUNDING = 0.02  # nats; see `chatbot.bot` on precision


class Material(NamedTuple):
    """What the figures of one model are made from, each in the order of the N pairs.

    Attributes:
        queries: The queries' tokens, blanks between them.
        losses: The model's losses of people's replies.
        found: {search: its replies}, `GREEDY` among them.
        people: The corpus' own replies.
        beam: The name of the model's own beam, which may not be there.
        seen: `bool [N]`, the pairs that the model has learned from, or None where nobody knows.
        hits: The scores of candidates for some of the queries, or None without.
        task: What the replies are measured by.
        lead: The first words of the queries, or None where they are no baseline.
    """

    queries: list[str]
    losses: PairLosses
    found: dict[str, Replies]
    people: Replies
    beam: str
    seen: Chosen | None = None
    hits: Hits | None = None
    task: Task = TASKS[CHAT]
    lead: Lead | None = None

    @property
    def unseen(self) -> Chosen:
        """The pairs that the model is known not to have learned from, `bool [N]`."""
        return np.zeros(len(self.queries), np.bool_) if self.seen is None else ~self.seen

    def estimate(self, chosen: Chosen) -> dict[str, Estimates]:
        """Estimates {search: {figure}} over at least one pair, of the task's other rows too."""
        dialogues = Dialogues(self.losses.dialogues[chosen])
        rows = {
            name: estimate_replies(
                replies, self.found[GREEDY], chosen, dialogues, self.task.is_talk
            )
            for name, replies in self.found.items()
        }
        if self.task.is_talk:
            rows[PEOPLE] = describe_replies(self.people, chosen, dialogues)
        if self.lead:
            rows[LEAD] = estimate_overlaps(self.lead.replies, chosen, dialogues)
        return rows

    def estimate_hits(self, chosen: Chosen) -> dict[str, Estimates]:
        """Estimates {ranking: {figure}} over the chosen pairs, empty where none was measured."""
        hits = None if self.hits is None else self.hits.choose(chosen)
        if hits is None or not len(hits.places):
            return {}
        dialogues = Dialogues(self.losses.dialogues[hits.places])
        return {name: estimate_hits(scores, dialogues) for name, scores in hits.scores.items()}

    def measure_hits(self, chosen: Chosen) -> dict[str, Any] | None:
        """Measures `queries` and {ranking: {figure: value}} over the chosen pairs, if any."""
        estimates = self.estimate_hits(chosen)
        if self.hits is None or not estimates:
            return None
        count = len(self.hits.choose(chosen).places)
        return {"queries": count, **{name: _list_values(x) for name, x in estimates.items()}}

    def measure(self, chosen: Chosen) -> tuple[dict[str, Any], dict[str, dict[str, Any] | None]]:
        """Measures over some of the pairs, perhaps none.

        Returns:
            {figure: value} of the corpus and of the plain searches, and {search: {figure: value}},
            people of talk and the lead among them; None for what needs a pair where there is none.
        """
        others = [PEOPLE] if self.task.is_talk else [LEAD] if self.lead else []
        rows: dict[str, dict[str, Any] | None] = dict.fromkeys([*self.found, *others])
        if chosen.any():
            estimates = self.estimate(chosen)
            rows = {name: _list_values(found) for name, found in estimates.items()}
            for name in self.found:
                rows[name] = {**(rows[name] or {}), **self._compare(name, estimates, chosen)}
        return {**measure_perplexity(self.losses, chosen), **self._summarise(rows)}, rows

    def _compare(
        self, name: str, estimates: Mapping[str, Estimates], chosen: Chosen
    ) -> dict[str, Any]:
        """Compares a search with greedy search and, of talk, with people."""
        figures = (*self.task.figures, "mean_log_prob")
        compared = {"from_greedy": subtract(estimates[name], estimates[GREEDY], figures)}
        if not self.task.is_talk:
            return compared
        recall = measure_recall(self.queries, self.found[name], self.people, chosen)
        return {**compared, "recall": recall}

    def _summarise(self, rows: Mapping[str, dict[str, Any] | None]) -> dict[str, Any]:
        """Names figures of the plain searches for the top level."""
        names = [(GREEDY, "recall", "greedy_recall")]
        if self.beam in rows:
            names.append((self.beam, "recall", f"{self.beam.replace(' ', '_')}_recall"))
        names = names if self.task.is_talk else []
        if self.beam in rows:
            names.append((self.beam, "same_as_greedy_share", "greedy_equals_beam_share"))
        return {flat: (rows[row] or {}).get(figure) for row, figure, flat in names}

    def list_notes(self) -> list[str]:
        """Writes what a reader of the figures must know."""
        notes = []
        if self.seen is None:
            notes.append(
                "the model directory does not say which pairs were learned from (it is an export, "
                "or an older version made it), so there are no figures of unseen pairs"
            )
        elif self.seen.all():
            notes.append("the model has learned from all these pairs: there are no unseen ones")
        notes += self._list_doubts()
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

    def _list_doubts(self) -> list[str]:
        """Says for which pairs there are no intervals."""
        numbers = self.losses.dialogues
        sets = {"the pairs": numbers}
        if self.unseen.any():
            sets["the unseen pairs"] = numbers[self.unseen]
        counts = {name: len(np.unique(found)) for name, found in sets.items()}
        return [
            f"{name} come from {count} {self.task.units[count > 1]}, and intervals need "
            f"{LEAST_DIALOGUES} at least: there are none here"
            for name, count in counts.items()
            if count < LEAST_DIALOGUES
        ]


def subtract(
    first: Estimates, second: Estimates, names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Subtracts the figures of one search from another's, over the same pairs.

    Returns:
        {figure: `difference` and its `interval`}.
    """
    return {name: find_difference(first[name], second[name]) for name in names}


def _list_values(estimates: Estimates) -> dict[str, Any]:
    values: dict[str, Any] = {name: found.value for name, found in estimates.items()}
    intervals = {
        name: find_interval(found, HIGHEST.get(name, math.inf)) for name, found in estimates.items()
    }
    return {**values, "intervals": intervals}
