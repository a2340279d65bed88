"""The settings of a search for replies, and the search that is the tutorial's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatbot.errors import ChatbotError
from chatbot.settings.fields import Settings, setting


@dataclass(frozen=True)
class SearchConfig(Settings):
    """How a reply is looked for."""

    beam_search: bool = setting(True, "Show the beam's replies beside the greedy one.")
    beam_size: int = setting(5, "Hypotheses that the beam keeps, and replies it shows.", 1, 1000)
    max_reply_length: int = setting(
        40, "Most tokens in a reply, its end token not counted.", 1, 10_000
    )
    min_reply_length: int = setting(
        0, "Fewest tokens in a reply, its end token not counted.", 0, 10_000
    )
    no_repeat_ngram: int = setting(
        0, "No run of so many tokens stands in a reply twice; 0 means no such rule.", 0, 10_000
    )
    ban_unk: bool = setting(True, "Never say the unknown token or other placeholders.")
    length_penalty: float = setting(
        1.0,
        "Exponent a of the score, log_prob / ((5 + tokens) / 6) ** a, by which the beam's replies "
        "are sorted; tokens counts the end token, and 0 sorts by log_prob.",
        0.0,
        10.0,
    )
    coverage_penalty: float = setting(
        0.0,
        "Weight of the attention that a reply gives to all of the query, added to its score.",
        0.0,
        100.0,
    )
    mmi_weight: float = setting(
        0.0,
        "Weight of what makes a reply likely whatever the query is, taken from its score: the "
        "log probability of its first tokens given an empty query.",
        0.0,
        10.0,
    )
    mmi_tokens: int = setting(5, "Tokens of a reply that --mmi_weight looks at.", 1, 10_000)
    diverse_groups: int = setting(
        1,
        "Groups of the beam that avoid one another's words; the beam's size is a multiple of it, "
        "and 1 is the plain beam.",
        1,
        1000,
    )
    diversity_strength: float = setting(
        0.5,
        "What a word costs a group (nats) for each time that an earlier group says it at the same "
        "step.",
        0.0,
        1000.0,
    )
    sample: bool = setting(False, "Draw --beam_size replies at random instead of a beam.")
    temperature: float = setting(
        1.0, "Sampling divides the logits by this: below 1 is safer, above 1 wilder.", 0.01, 100.0
    )
    top_k: int = setting(
        0, "Sampling draws from so many of the likeliest tokens; 0 means all.", 0, 10_000_000
    )
    top_p: float = setting(
        1.0,
        "Sampling draws from the fewest tokens that have this probability together.",
        1e-6,
        1.0,
    )
    sampling_seed: int = setting(
        1, "Seed of the sampling; predict.py also knows it as --seed.", 0, 2**31 - 1
    )

    def resolve(self, changes: Mapping[str, Any]) -> SearchConfig:
        """Fills in what a search that is asked for does not say.

        Args:
            changes: {setting: value} for what it says. Where it shows neither beam nor samples, and
                names no width, that is 1; a width of 1 has one group.

        Returns:
            The settings.

        Raises:
            ChatbotError: A value is out of range, or two contradict each other.
            TypeError: There is no such setting.
        """
        given = dict(changes)
        if not any(given.get(name, getattr(self, name)) for name in ("beam_search", "sample")):
            given.setdefault("beam_size", 1)
        if given.get("beam_size") == 1:
            given.setdefault("diverse_groups", 1)
        search = dataclasses.replace(self, **given)
        search.check_together()
        return search

    def check_together(self) -> None:
        """Checks what no single setting can tell.

        Raises:
            ChatbotError: Two settings contradict each other.
        """
        if self.min_reply_length > self.max_reply_length:
            raise ChatbotError(
                f"--min_reply_length={self.min_reply_length} is above "
                f"--max_reply_length={self.max_reply_length}; lower one or raise the other"
            )
        if self.beam_size > 1 and not self.sample and self.beam_size % self.diverse_groups:
            raise ChatbotError(
                f"--beam_size={self.beam_size} cannot be cut into "
                f"--diverse_groups={self.diverse_groups} equal groups; give a multiple of it"
            )


PLAIN: Mapping[str, Any] = {
    name: getattr(SearchConfig, name)
    for name in (
        "min_reply_length",
        "no_repeat_ngram",
        "coverage_penalty",
        "mmi_weight",
        "diverse_groups",
        "sample",
    )
}
"""What makes of any search the tutorial's greedy search, or its beam, of whatever width."""
