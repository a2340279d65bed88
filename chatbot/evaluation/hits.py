"""hits@k: how often a model ranks the true reply among the first k of K candidates.

The candidates of a query are its own reply and K - 1 others of the corpus, drawn by a seed. A model
that ignores the query cannot do better than chance, k / K. ConvAI2 reports hits@1 of K = 20 (Dinan
et al. 2019, "The Second Conversational Intelligence Challenge"). The candidates are ranked by

    plain  log p(reply | query) / tokens, as ParlAI ranks for a network that generates
    mmi    (log p(reply | query) - log p(reply)) / tokens

where the tokens include the end token and log p(reply) is the log probability given an empty query,
as in `chatbot.lite.rescoring`, but over all tokens and with the weight 1: what is left is how much
likelier the query makes the reply. `mmi_weight` and `mmi_tokens` have no say here, so that
the figures of all models mean the same.

Candidates of the same score share their ranks: k is then hit with the probability that it has when
they stand in random order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chatbot.bot import Chatbot
from chatbot.corpus import Pair
from chatbot.evaluation.intervals import Chosen, Dialogues, Estimate
from chatbot.evaluation.replies import spell
from chatbot.evaluation.scoring import Scorer
from chatbot.evaluation.windows import iterate_windows
from chatbot.text import Query

Scores = npt.NDArray[np.float64]
PLAIN, MMI = "plain", "mmi"
DEPTHS = (1, 5)
"""Which k are counted."""
_SEED = 0
_EMPTY: Query = ""


class Asked(NamedTuple):
    """What to measure.

    Attributes:
        candidates: Candidates of a query, K.
        queries: Most queries; 0 means all.
    """

    candidates: int = 20
    queries: int = 500


class Hits(NamedTuple):
    """The scores of the candidates of M queries, the own reply of each first.

    Attributes:
        places: `int64 [M]`, the pairs of the queries, ascending.
        scores: {ranking: `float64 [M, K]`}, in nats a token.
    """

    places: npt.NDArray[np.int64]
    scores: dict[str, Scores]

    @property
    def candidates(self) -> int:
        """Candidates of each query, K."""
        return int(self.scores[PLAIN].shape[1])

    def choose(self, chosen: Chosen) -> Hits:
        """Keeps the queries whose pairs are chosen, `bool [N]`."""
        kept = chosen[self.places]
        return Hits(self.places[kept], {name: x[kept] for name, x in self.scores.items()})


def measure_hits(bot: Chatbot, pairs: Sequence[Pair], asked: Asked) -> Hits | None:
    """Scores candidates for the queries of a corpus.

    Returns:
        The scores, with fewer candidates where the corpus has fewer different replies; None where
        fewer than two are asked for or all its replies are the same.
    """
    replies = [pair.reply for pair in pairs]
    places = choose_places(len(pairs), asked.queries)
    drawn = draw_candidates(replies, places, asked.candidates)
    if len(drawn[0]) < 2:
        return None
    scorer = Scorer(bot)
    plain = score_candidates(scorer, [pairs[place].turns for place in places], drawn)
    return Hits(places, {PLAIN: plain, MMI: plain - score_commonness(scorer, drawn)})


def choose_places(count: int, most: int) -> npt.NDArray[np.int64]:
    """Draws at most so many of `count` places by a seed, all for 0: `int64 [M]`, ascending."""
    if most == 0 or count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(_SEED).choice(count, most, replace=False))


def draw_candidates(
    replies: Sequence[str], places: Sequence[int] | npt.NDArray[np.int64], count: int
) -> list[list[str]]:
    """Draws candidates for some of a corpus' queries.

    The other replies of a query are drawn one after the other as often as the corpus has them, and
    none twice; replies of the same tokens are the same. What is drawn for a pair depends on the
    corpus and on its place there, not on which other pairs are measured.

    Args:
        replies: The corpus' replies.
        places: The places of the queries.
        count: Candidates of each, if the corpus has so many different replies, else all of these.

    Returns:
        The candidates of each query, its own reply first.
    """
    numbers: dict[str, int] = {}
    kinds = [numbers.setdefault(spell(reply), len(numbers)) for reply in replies]
    texts = dict(zip(reversed(kinds), reversed(replies)))  # the first of each kind
    weights = np.bincount(kinds)
    others = max(min(count, len(numbers)) - 1, 0)
    drawn = []
    for place in places:
        lots = np.random.default_rng([_SEED, int(place)]).random(len(weights))
        # The order of -log(u) / weight is that of such draws (Efraimidis and Spirakis 2006).
        keys = -np.log1p(-lots) / weights
        keys[kinds[place]] = np.inf
        chosen = np.argsort(keys, kind="stable")[:others]
        drawn.append([replies[place], *(texts[kind] for kind in chosen.tolist())])
    return drawn


def score_candidates(
    scorer: Scorer, queries: Sequence[Query], candidates: Sequence[Sequence[str]]
) -> Scores:
    """Scores replies by their mean log probability a token, the end token counted.

    Args:
        scorer: Of the model.
        queries: M queries, each a turn or turns, oldest first.
        candidates: K replies for each.

    Returns:
        `float64 [M, K]`, in nats.
    """
    scores = [
        found.log_prob / found.tokens
        for window in iterate_windows(list(zip(queries, candidates)), "hits")
        for found in scorer.score([(query, reply) for query, own in window for reply in own])
    ]
    return np.reshape(scores, [len(queries), -1])


def score_commonness(scorer: Scorer, candidates: Sequence[Sequence[str]]) -> Scores:
    """Scores replies as `score_candidates` does, given an empty query, each text once."""
    texts = sorted({reply for own in candidates for reply in own})
    scores = score_candidates(scorer, [_EMPTY] * len(texts), [[text] for text in texts])
    found = dict(zip(texts, scores[:, 0].tolist()))
    return np.array([[found[reply] for reply in own] for own in candidates])


def count_hits(scores: Scores, depth: int) -> Scores:
    """Tells whether the first of each row's scores `[M, K]` is among the `depth` greatest.

    Returns:
        `float64 [M]`, from 0 to 1: a tie counts as the probability of being among them.
    """
    above, equal = _compare(scores)
    return np.clip((depth - above) / equal, 0.0, 1.0)


def rank_first(scores: Scores) -> Scores:
    """Ranks the first of each row's scores `[M, K]`: 1 for the best, the mean rank for a tie."""
    above, equal = _compare(scores)
    return above + (equal + 1) / 2


def estimate_hits(scores: Scores, dialogues: Dialogues) -> dict[str, Estimate]:
    """Estimates `hits_1`, `hits_5` and `mean_rank` from scores `[M, K]` of at least one query."""
    ones = np.ones(len(scores))
    figures = {f"hits_{depth}": count_hits(scores, depth) for depth in DEPTHS}
    figures["mean_rank"] = rank_first(scores)
    return {name: dialogues.estimate_mean(values, ones) for name, values in figures.items()}


def _compare(scores: Scores) -> tuple[Scores, Scores]:
    """Counts the scores above a row's first, and those equal to it, itself among them."""
    own = scores[:, :1]
    sides = (scores > own).sum(axis=1), (scores < own).sum(axis=1)
    above, below = (side.astype(np.float64) for side in sides)
    return above, scores.shape[1] - above - below  # what is no number is equal
