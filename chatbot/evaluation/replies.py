"""What a search replies to a corpus' queries, and figures of those replies."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from chatbot.bot import Chatbot
from chatbot.evaluation.intervals import Chosen, Dialogues, Estimate
from chatbot.evaluation.searches import Search
from chatbot.evaluation.statistics import estimate_commonest_share, estimate_distinct
from chatbot.evaluation.windows import iterate_windows
from chatbot.text import Query, tokenize

Counts = npt.NDArray[np.int64]


class Replies(NamedTuple):
    """The reply that a search ranks first, for each of N queries.

    Attributes:
        texts: The replies.
        spelled: Their words, blanks between them.
        log_probs: `float64 [N]`, the model's log probabilities (nats) of the replies; empty for
            people's replies.
        best_log_probs: `float64 [N]`, the greatest among all the replies that were found.
        seconds: Time of all the searches together; 0 for people's.
        overlap: From `count_overlap`; empty for people's.
    """

    texts: list[str]
    spelled: list[str]
    log_probs: npt.NDArray[np.float64]
    best_log_probs: npt.NDArray[np.float64]
    seconds: float
    overlap: dict[str, Counts]


def spell(text: str) -> str:
    """Writes a text as its tokens, so that two are the same if a model would read them so."""
    return " ".join(tokenize(text))


def take_replies(texts: Sequence[str]) -> Replies:
    """Takes replies that no search has found."""
    nothing = np.zeros(0)
    return Replies(list(texts), [spell(text) for text in texts], nothing, nothing, 0.0, {})


def run_search(bot: Chatbot, queries: Sequence[Query], search: Search, people: Replies) -> Replies:
    """Searches a reply for every query.

    Args:
        bot: The model.
        queries: Turns, or lists of turns.
        search: How to search.
        people: The corpus' own replies, one a query.
    """
    # The first search of a kind makes its graphs, which takes a second or two.
    bot.replies([""], **search.settings)
    join = bot.vocabulary.segmenter.join
    texts, spelled, log_probs, best = [], [], [], []
    seconds = 0.0
    for window in iterate_windows(queries, search.name):
        begin = time.perf_counter()
        ranked = bot.replies(window, **search.settings)
        seconds += time.perf_counter() - begin
        texts += [found[0].text for found in ranked]
        spelled += [" ".join(join(found[0].tokens)) for found in ranked]
        log_probs += [found[0].log_prob for found in ranked]
        best += [max(reply.log_prob for reply in found) for found in ranked]
    overlap = count_overlap(spelled, people.spelled)
    return Replies(texts, spelled, np.array(log_probs), np.array(best), seconds, overlap)


def count_overlap(spelled: Sequence[str], expected: Sequence[str]) -> dict[str, Counts]:
    """Counts what BLEU and chrF are computed from, one reference a reply.

    BLEU is over the tokens of `chatbot.text` on both sides, in lower case, so that Chinese counts
    by the ideograph and no other tokenizer is involved; chrF is over the same texts' characters.

    Args:
        spelled: The tokens of N replies, blanks between them.
        expected: The same of the corpus.

    Returns:
        {`bleu`, `chrf`: `int64 [N, K]`, sacrebleu's counts of each reply}.
    """
    return {
        name: np.array(metric._extract_corpus_statistics(spelled, [expected]), np.int64)
        for name, metric in _make_metrics().items()
    }


def estimate_overlap(overlap: Mapping[str, Counts], dialogues: Dialogues) -> dict[str, Estimate]:
    """Estimates `bleu` and `chrf` of the whole corpus, 0 to 100, from `count_overlap`."""

    def score(metric: Any, sums: list[int]) -> float:
        return float(metric._compute_score_from_stats(sums).score)

    return {
        name: dialogues.estimate(overlap[name], partial(score, metric))
        for name, metric in _make_metrics().items()
    }


def estimate_replies(
    found: Replies, greedy: Replies, chosen: Chosen, dialogues: Dialogues
) -> dict[str, Estimate]:
    """Estimates the figures of some of a search's replies, at least one.

    Returns:
        `bleu` and `chrf`, what `describe_replies` gives, `same_as_greedy_share`, and
        `mean_log_prob` (nats).
    """
    pairs = zip(choose(found.spelled, chosen), choose(greedy.spelled, chosen))
    is_same = np.array([reply == first for reply, first in pairs], np.int64)
    ones = np.ones_like(is_same)
    overlap = {name: counts[chosen] for name, counts in found.overlap.items()}
    return {
        **estimate_overlap(overlap, dialogues),
        **describe_replies(found, chosen, dialogues),
        "same_as_greedy_share": dialogues.estimate_mean(is_same, ones),
        "mean_log_prob": dialogues.estimate_mean(found.log_probs[chosen], ones),
    }


def describe_replies(found: Replies, chosen: Chosen, dialogues: Dialogues) -> dict[str, Estimate]:
    """Estimates how rich some replies are, at least one, whoever gave them.

    Returns:
        `distinct_1` and `distinct_2`, `mean_length` (tokens, no end token) and `commonest_share`
        (of the ten commonest replies).
    """
    spelled = choose(found.spelled, chosen)
    tokens = [reply.split() for reply in spelled]
    lengths = np.array([len(reply) for reply in tokens])
    return {
        "distinct_1": estimate_distinct(tokens, 1, dialogues),
        "distinct_2": estimate_distinct(tokens, 2, dialogues),
        "mean_length": dialogues.estimate_mean(lengths, np.ones_like(lengths)),
        "commonest_share": estimate_commonest_share(spelled, dialogues),
    }


def list_signatures() -> dict[str, str]:
    """Returns sacrebleu's signatures of `bleu` and `chrf`, which say how they were computed."""
    metrics = _make_metrics()
    for metric in metrics.values():
        metric.corpus_score(["one"], [["one"]])  # a signature counts the references
    return {name: str(metric.get_signature()) for name, metric in metrics.items()}


def measure_recall(
    queries: Sequence[str], found: Replies, people: Replies, chosen: Chosen
) -> float:
    """Measures the share of the queries whose reply is one that the corpus has for them.

    Args:
        queries: The queries' tokens, blanks between them; a query in several pairs counts once, by
            its first reply.
        found: The search's replies.
        people: The corpus' own.
        chosen: At least one pair.
    """
    expected: dict[str, set[str]] = {}
    said: dict[str, str] = {}
    rows = zip(*(choose(texts, chosen) for texts in (queries, found.spelled, people.spelled)))
    for query, reply, own in rows:
        said.setdefault(query, reply)
        expected.setdefault(query, set()).add(own)
    return sum(reply in expected[query] for query, reply in said.items()) / len(said)


def choose(items: Sequence[str], chosen: Chosen) -> list[str]:
    """Returns the chosen items."""
    return [item for item, wanted in zip(items, chosen.tolist()) if wanted]


def _make_metrics() -> dict[str, Any]:
    # The texts are cut into tokens already, which without `force` sacrebleu warns of.
    return {"bleu": BLEU(tokenize="none", force=True), "chrf": CHRF()}
