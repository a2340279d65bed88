"""The perplexity of a model on the replies of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chatbot.bot import Chatbot
from chatbot.corpus import Pair
from chatbot.evaluation.intervals import Chosen, Dialogues, Estimate, find_interval
from chatbot.evaluation.scoring import Scorer
from chatbot.evaluation.windows import iterate_windows
from chatbot.storage.reports import to_perplexity
from chatbot.text import UNK, tokenize


class PairLosses(NamedTuple):
    """A model's loss of each pair of a corpus.

    Attributes:
        losses: `float64 [N]`, the loss (nats) of the reply and its end token, if it is not cut.
        tokens: `int64 [N]`, the tokens of the reply, the end token counted.
        unknown: `int64 [N]`, those of them that the vocabulary does not have.
        dialogues: `int64 [N]`, the number of the pair's dialogue.
        unknown_words: The words of the replies that the vocabulary does not have.
    """

    losses: npt.NDArray[np.float64]
    tokens: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.int64]
    dialogues: npt.NDArray[np.int64]
    unknown_words: frozenset[str]

    def counts_as(self, other: PairLosses) -> bool:
        """Tells whether another model counts the same tokens of the same pairs.

        Only then can perplexities be compared: a smaller vocabulary or shorter replies alone lower
        a perplexity.
        """
        return self.unknown_words == other.unknown_words and np.array_equal(
            self.tokens, other.tokens
        )


def score_pairs(bot: Chatbot, pairs: Sequence[Pair]) -> PairLosses:
    """Scores every pair, at least one, by teacher forcing."""
    scorer = Scorer(bot)
    found = [
        score
        for window in iterate_windows(pairs, "perplexity")
        for score in scorer.score([(pair.turns, pair.reply) for pair in window])
    ]
    words = sorted({token for pair in pairs for token in tokenize(pair.reply)})
    ids = bot.vocabulary.encode(words)
    return PairLosses(
        np.array([-score.log_prob for score in found]),
        np.array([score.tokens for score in found]),
        np.array([score.unknown for score in found]),
        np.array([pair.dialogue for pair in pairs]),
        frozenset(word for word, number in zip(words, ids) if number == UNK),
    )


def measure_perplexity(found: PairLosses, chosen: Chosen) -> dict[str, Any]:
    """Measures the perplexity per token over some of the pairs.

    Returns:
        `pairs`, `dialogues` (that they come from), `tokens` (end tokens counted), `unknown_share`
        (of the tokens), `perplexity` (e to the mean loss in nats) and its `perplexity_interval` of
        95 %; except for the three counts None where no pair is chosen.
    """
    total = int(found.tokens[chosen].sum())
    counts = {
        "pairs": int(chosen.sum()),
        "dialogues": len(np.unique(found.dialogues[chosen])),
        "tokens": total,
    }
    if not total:
        return {**counts, "unknown_share": None, "perplexity": None, "perplexity_interval": None}
    estimate = estimate_perplexity(found, chosen)
    return {
        **counts,
        "unknown_share": float(found.unknown[chosen].sum() / total),
        "perplexity": estimate.value,
        "perplexity_interval": find_interval(estimate),
    }


def estimate_perplexity(found: PairLosses, chosen: Chosen) -> Estimate:
    """Estimates the perplexity per token over at least one pair."""
    dialogues = Dialogues(found.dialogues[chosen])
    loss = dialogues.estimate_mean(found.losses[chosen], found.tokens[chosen])
    return Estimate(
        to_perplexity(loss.value), np.array([to_perplexity(mean) for mean in loss.left_out])
    )
