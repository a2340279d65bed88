"""How surprised a model is by the replies of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chatbot.chatbot import Chatbot
from chatbot.corpus import Pair
from chatbot.evaluation.statistics import estimate_interval
from chatbot.evaluation.windows import draw_windows
from chatbot.metrics import to_perplexity
from chatbot.scoring import Scorer


class PairLosses(NamedTuple):
    """What a model makes of each pair of a corpus.

    Attributes:
        losses: `float64 [N]`, the loss (nats) of the reply and its end token, if it is not cut.
        tokens: `int64 [N]`, the tokens of the reply, the end token counted.
        unknown: `int64 [N]`, those of them that the vocabulary does not have.
    """

    losses: npt.NDArray[np.float64]
    tokens: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.int64]


def score_pairs(bot: Chatbot, pairs: Sequence[Pair]) -> PairLosses:
    """Scores every pair by teacher forcing.

    Args:
        bot: The model.
        pairs: At least one pair.

    Returns:
        The losses, in the pairs' order.
    """
    cut = bot.config.corpus
    scorer = Scorer(bot.model, bot.vocabulary, cut.max_length, cut.context_turns)
    found = [
        score
        for window in draw_windows(pairs, "perplexity")
        for score in scorer.score([(pair.turns, pair.reply) for pair in window])
    ]
    return PairLosses(
        np.array([-score.log_prob for score in found]),
        np.array([score.tokens for score in found]),
        np.array([score.unknown for score in found]),
    )


def measure_perplexity(found: PairLosses, chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Measures the perplexity a token over some of the pairs.

    Args:
        found: From `score_pairs`.
        chosen: `bool [N]`, the pairs that count.

    Returns:
        `pairs`, `tokens` (end tokens counted), `unknown_share` (of them), `perplexity` (e to the
        mean loss in nats) and its `perplexity_interval` of 95 %; but for the two counts None where
        no pair is chosen.
    """
    losses, tokens = found.losses[chosen], found.tokens[chosen]
    total = int(tokens.sum())
    counts = {"pairs": len(losses), "tokens": total}
    if not total:
        return {**counts, "unknown_share": None, "perplexity": None, "perplexity_interval": None}
    return {
        **counts,
        "unknown_share": float(found.unknown[chosen].sum() / total),
        "perplexity": to_perplexity(float(losses.sum() / total)),
        "perplexity_interval": [to_perplexity(x) for x in estimate_interval(losses, tokens)],
    }
