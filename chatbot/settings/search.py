"""The settings of a search for replies, and those of the tutorial's search."""

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
    beam_size: int = setting(
        5, "Hypotheses that the beam keeps, and replies that it shows.", 1, 1000
    )
    max_reply_length: int = setting(
        40, "Maximum tokens in a reply, not counting its end token.", 1, 10_000
    )
    min_reply_length: int = setting(
        0, "Minimum tokens in a reply, not counting its end token.", 0, 10_000
    )
    no_repeat_ngram: int = setting(
        0, "Never repeat a run of this many tokens in a reply; 0 lifts the rule.", 0, 10_000
    )
    ban_unk: bool = setting(
        True, "Never say the unknown token or other placeholders; gives way to --replace_unk."
    )
    replace_unk: bool = setting(
        False,
        "Say the word of the query that the attention weighs most in place of an unknown token, "
        "which --ban_unk then does not forbid.",
    )
    length_penalty: float = setting(
        1.0,
        "Exponent a of the score, log_prob / ((5 + tokens) / 6) ** a, that ranks the beam's "
        "replies; tokens includes the end token, and 0 ranks by log_prob.",
        0.0,
        10.0,
    )
    coverage_penalty: float = setting(
        0.0,
        "Weight of a term in the score that favours replies which attend to all of the query.",
        0.0,
        100.0,
    )
    mmi_weight: float = setting(
        0.0,
        "Weight of a term in the score against replies that are likely whatever the query is: the "
        "log probability of a reply's first tokens given an empty query.",
        0.0,
        10.0,
    )
    mmi_tokens: int = setting(5, "First tokens of a reply that --mmi_weight counts.", 1, 10_000)
    diverse_groups: int = setting(
        1,
        "Groups of the beam that avoid one another's words; --beam_size must be a multiple of it, "
        "and 1 is the plain beam.",
        1,
        1000,
    )
    diversity_strength: float = setting(
        0.5,
        "Cost of a word to a group (nats) for each hypothesis of earlier groups that has it at the "
        "same step.",
        0.0,
        1000.0,
    )
    sample: bool = setting(False, "Draw --beam_size replies at random instead of a beam.")
    temperature: float = setting(
        1.0, "Sampling divides the logits by this: below 1 is safer, above 1 wilder.", 0.01, 100.0
    )
    top_k: int = setting(
        0, "Sampling draws from this many of the likeliest tokens; 0 means all.", 0, 10_000_000
    )
    top_p: float = setting(
        1.0,
        "Sampling draws from the fewest tokens that add up to this probability.",
        1e-6,
        1.0,
    )
    sampling_seed: int = setting(
        1, "Seed of the sampling; predict also takes it as --seed.", 0, 2**31 - 1
    )

    @property
    def bans_unk(self) -> bool:
        """Whether the unknown token and other placeholders are forbidden."""
        return self.ban_unk and not self.replace_unk

    def change(self, changes: Mapping[str, Any]) -> SearchConfig:
        """Applies changes; a `ban_unk` among them switches off a `replace_unk` of before.

        Raises:
            ChatbotError: A value is out of range, or they ask for both of the two.
            TypeError: There is no such setting.
        """
        given = dict(changes)
        if given.get("ban_unk"):
            if given.get("replace_unk"):
                raise ChatbotError(
                    "--ban_unk forbids the unknown tokens that --replace_unk replaces; give one"
                )
            given["replace_unk"] = False
        return dataclasses.replace(self, **given)

    def resolve(self, changes: Mapping[str, Any]) -> SearchConfig:
        """Applies changes to the settings, and what follows from them.

        Args:
            changes: {setting: value}. Where the search shows neither beam nor samples and names no
                width, the width becomes 1; a width of 1 has one group.

        Raises:
            ChatbotError: A value is out of range, or two contradict each other.
            TypeError: There is no such setting.
        """
        given = dict(changes)
        if not any(given.get(name, getattr(self, name)) for name in ("beam_search", "sample")):
            given.setdefault("beam_size", 1)
        if given.get("beam_size") == 1:
            given.setdefault("diverse_groups", 1)
        search = self.change(given)
        search.check_together()
        return search

    def check_together(self) -> None:
        """Raises `ChatbotError` where two settings contradict each other."""
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
"""The changes that turn any search into the tutorial's greedy search or beam, of any width."""
