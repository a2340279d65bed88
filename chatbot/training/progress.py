"""What a training counts between its reports, which travels in its checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatbot.errors import ChatbotError


@dataclass
class Progress:
    """What the loop knows besides the weights; it travels in the checkpoint.

    Attributes:
        best: Lowest validation perplexity so far (see `Perplexities.decisive`), or None.
        best_of_unseen: 1 where that was measured on unseen pairs, 0 where on all pairs.
        waited: Reports since then.
        losses: Sum of the tokens' losses (nats) since the last report.
        tokens: Target tokens since the last report.
        words: Target words since then, end tokens among them.
        norms: Sum of the gradients' norms since the last report.
        steps: Steps since the last report.
        bad_steps: Steps in a row, up to the last, whose loss or gradients were not finite.
        all_bad_steps: Such steps since the beginning.
    """

    best: float | None = None
    best_of_unseen: int = 0
    waited: int = 0
    losses: float = 0.0
    tokens: int = 0
    words: int = 0
    norms: float = 0.0
    steps: int = 0
    bad_steps: int = 0
    all_bad_steps: int = 0

    def add(self, losses: float, tokens: int, words: int, norm: float) -> None:
        """Adds one step."""
        self.losses += losses
        self.tokens += tokens
        self.words += words
        self.norms += norm
        self.steps += 1

    def note(self, perplexity: float) -> bool:
        """Notes a validation perplexity; returns whether it is the best so far."""
        improved = self.best is None or perplexity < self.best
        self.best = perplexity if improved else self.best
        self.waited = 0 if improved else self.waited + 1
        return improved

    def reset(self) -> None:
        """Starts a new report."""
        self.losses, self.norms = 0.0, 0.0
        self.tokens = self.words = self.steps = 0


def restore_progress(values: Any, path: Path) -> Progress:
    """Builds `Progress` back from what `dataclasses.asdict` gave, here or in an older version.

    Args:
        values: What the checkpoint holds.
        path: The model directory, for messages.

    Raises:
        ChatbotError: The values are not those of a `Progress`.
    """
    try:
        kept = {**values}
        kept.pop("seconds", None)  # of older versions, whose tokens were words
        kept.setdefault("words", kept.get("tokens", 0))
        made = Progress(**kept)
        for value in (x for name, x in vars(made).items() if name != "best" or x is not None):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{value!r} is not a number")
        return made
    except TypeError:
        raise ChatbotError(
            f"{path / 'checkpoints.json'} was written by another version; use that one, or train "
            "again in another --model_dir"
        ) from None
