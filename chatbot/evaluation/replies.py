"""What a search replies to a corpus' queries, and figures of those replies."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chatbot.bot import Chatbot
from chatbot.evaluation.intervals import Chosen, Dialogues, Estimate
from chatbot.evaluation.searches import Search
from chatbot.evaluation.statistics import estimate_commonest_share, estimate_distinct
from chatbot.evaluation.tasks import Compute, Counts, Metric
from chatbot.evaluation.windows import iterate_windows
from chatbot.text import Query, tokenize


class Overlap(NamedTuple):
    """What some replies have in common with the references.

    Attributes:
        counts: `[N, K]`, what each reply adds to K sums.
        figures: {figure: what computes it from the sums}.
    """

    counts: Counts
    figures: Mapping[str, Compute]


class Replies(NamedTuple):
    """The reply that a search ranks first, for each of N queries.

    Attributes:
        texts: The replies.
        spelled: Their words, blanks between them.
        log_probs: `float64 [N]`, the model's log probabilities (nats) of the replies; empty for
            people's replies.
        best_log_probs: `float64 [N]`, the greatest among all the replies that were found.
        seconds: Time of all the searches together; 0 for people's.
        overlaps: From `count_overlaps`; empty for people's.
    """

    texts: list[str]
    spelled: list[str]
    log_probs: npt.NDArray[np.float64]
    best_log_probs: npt.NDArray[np.float64]
    seconds: float
    overlaps: Sequence[Overlap] = ()


def spell(text: str) -> str:
    """Writes a text as its tokens, so that two are the same if a model would read them so."""
    return " ".join(tokenize(text))


def take_replies(texts: Sequence[str]) -> Replies:
    """Takes replies that no search has found."""
    nothing = np.zeros(0)
    return Replies(list(texts), [spell(text) for text in texts], nothing, nothing, 0.0)


def run_search(bot: Chatbot, queries: Sequence[Query], search: Search) -> Replies:
    """Searches a reply for every query.

    Args:
        bot: The model.
        queries: Turns, or lists of turns.
        search: How to search.
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
        spelled += [" ".join(join(found[0].words)) for found in ranked]
        log_probs += [found[0].log_prob for found in ranked]
        best += [max(reply.log_prob for reply in found) for found in ranked]
    return Replies(texts, spelled, np.array(log_probs), np.array(best), seconds)


def count_overlaps(found: Replies, metrics: Mapping[str, Metric], is_talk: bool) -> Replies:
    """Adds what the replies have in common with the metrics' references.

    Talk is compared as tokens of `chatbot.text`, in lower case, so that Chinese counts by the
    ideograph and no other tokenizer is involved; other replies as people read them.
    """
    texts = found.spelled if is_talk else found.texts
    overlaps = [Overlap(metric.measure(texts), metric.figures) for metric in metrics.values()]
    return found._replace(overlaps=overlaps)


def estimate_overlaps(found: Replies, chosen: Chosen, dialogues: Dialogues) -> dict[str, Estimate]:
    """Estimates the metrics' figures of some of the replies, at least one."""
    return {
        name: dialogues.estimate(counts[chosen], compute)
        for counts, figures in found.overlaps
        for name, compute in figures.items()
    }


def estimate_replies(
    found: Replies, greedy: Replies, chosen: Chosen, dialogues: Dialogues, is_talk: bool
) -> dict[str, Estimate]:
    """Estimates the figures of some of a search's replies, at least one.

    Returns:
        The metrics' figures, for talk what `describe_replies` gives, `same_as_greedy_share`, and
        `mean_log_prob` (nats).
    """
    pairs = zip(choose(found.spelled, chosen), choose(greedy.spelled, chosen))
    is_same = np.array([reply == first for reply, first in pairs], np.int64)
    ones = np.ones_like(is_same)
    return {
        **estimate_overlaps(found, chosen, dialogues),
        **(describe_replies(found, chosen, dialogues) if is_talk else {}),
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
