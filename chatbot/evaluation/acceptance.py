"""How many replies to held-out queries are acceptable."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

from chatbot.bot import Chatbot
from chatbot.corpus.held_out import HeldOut, is_foreign
from chatbot.evaluation.columns import write_ends, write_share
from chatbot.evaluation.hits import count_hits, score_candidates
from chatbot.evaluation.replies import spell
from chatbot.evaluation.scoring import Scorer
from chatbot.evaluation.searches import Search, list_searches
from chatbot.evaluation.tables import Table, format_markdown, format_table, make_line, write_models
from chatbot.evaluation.windows import iterate_windows

ALL, HITS = "all", "hits"
_FOREIGN = "other language"
_QUANTILE = NormalDist().inv_cdf(0.975)


def find_share_interval(successes: float, count: int) -> list[float]:
    """Finds the 95 % interval of a share.

    Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".

    Args:
        successes: Of the `count` trials, at least one.
        count: The trials.
    """
    square = _QUANTILE**2
    middle = (successes + square / 2) / (count + square)
    half = math.sqrt(successes * (count - successes) / count + square / 4)
    half *= _QUANTILE / (count + square)
    return [max(0.0, middle - half), min(1.0, middle + half)]


class Judged(NamedTuple):
    """What a model replies to held-out queries, and how good that is.

    Attributes:
        name: Its directory.
        figures: {search: {group: {figure: value}}}, as `chatbot.programs.evaluate` has them.
        replies: {search: the best reply to each query}.
    """

    name: str
    figures: dict[str, dict[str, dict[str, Any]]]
    replies: dict[str, list[str]]


def judge_directories(
    model_dirs: Sequence[str],
    items: Sequence[HeldOut],
    searches: Sequence[Search],
    corpus: Sequence[str],
    candidates: int,
    settings: Mapping[str, Any] | None = None,
    **how: Any,
) -> list[Judged]:
    """Loads models and judges their best replies to held-out queries.

    Args:
        model_dirs: Their directories.
        items: The queries, at least one.
        searches: What to compare with greedy search and the model's own beam.
        corpus: The replies that the other candidates for hits@1 are drawn from.
        candidates: How many candidates there are for each query; below 2 leaves hits@1 out.
        settings: {setting: value} for what is to differ from the directory's `SearchConfig`.
        **how: engine and reply_precision, as in `Chatbot.load`.

    Raises:
        ChatbotError: A model cannot be loaded, or a search does not fit it.
    """
    judged = []
    for name in model_dirs:
        bot = Chatbot.load(name, settings, **how)
        listed = list_searches(bot.config, searches)
        replies = {search.name: _reply(bot, items, search) for search in listed}
        figures = {search: summarise(items, texts) for search, texts in replies.items()}
        if candidates > 1:
            figures[HITS] = _measure_hits(bot, items, corpus, candidates)
        judged.append(Judged(name, figures, replies))
    return judged


def _measure_hits(
    bot: Chatbot, items: Sequence[HeldOut], corpus: Sequence[str], candidates: int
) -> dict[str, dict[str, Any]]:
    """Measures hits@1 over the queries that have an acceptable reply; see `hits`."""
    answerable = [item for item in items if item.replies]
    spelled = {spell(text): text for text in corpus}
    drawn = [draw_candidates(item, spelled, candidates, n) for n, item in enumerate(answerable)]
    scores = score_candidates(Scorer(bot), [item.turns for item in answerable], drawn)
    return _group(answerable, count_hits(scores, 1).tolist(), [None] * len(answerable))


def draw_candidates(
    item: HeldOut, corpus: Mapping[str, str], candidates: int, seed: int
) -> list[str]:
    """Draws an acceptable reply, and then different ones of the corpus that are not acceptable.

    Args:
        item: A query with an acceptable reply.
        corpus: {tokens: text} of the corpus' replies, each of which may be drawn once.
        candidates: How many to draw, if there are so many.
        seed: What decides.
    """
    lots = random.Random(seed)
    accepted = {spell(text) for text in item.replies}
    kinds = sorted(corpus.keys() - accepted)
    chosen = lots.sample(kinds, min(candidates - 1, len(kinds)))
    return [lots.choice(sorted(item.replies)), *(corpus[kind] for kind in chosen)]


def _reply(bot: Chatbot, items: Sequence[HeldOut], search: Search) -> list[str]:
    windows = iterate_windows([item.turns for item in items], search.name)
    return [found[0].text for each in windows for found in bot.replies(each, **search.settings)]


def is_acceptable(item: HeldOut, reply: str) -> bool:
    """Tells whether a reply has the tokens of an acceptable one."""
    return spell(reply) in {spell(text) for text in item.replies}


def summarise(items: Sequence[HeldOut], replies: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Summarises the replies to at least one query: {group: {figure: value}}."""
    verdicts = [float(is_acceptable(item, text)) for item, text in zip(items, replies)]
    return _group(items, verdicts, [is_foreign(item.turns, x) for item, x in zip(items, replies)])


def _group(
    items: Sequence[HeldOut], accepted: Sequence[float], foreign: Sequence[bool | None]
) -> dict[str, dict[str, Any]]:
    """Sums up by the queries' groups; what may be foreign is None where nothing can be."""
    summary = {}
    for group in (*dict.fromkeys(item.group for item in items), ALL):
        chosen = [n for n, item in enumerate(items) if group in (item.group, ALL)]
        count, total = len(chosen), sum(accepted[n] for n in chosen)
        summary[group] = {
            "queries": count,
            "acceptable": total / count,
            "interval": find_share_interval(total, count),
            "other_language": None if None in foreign else sum(bool(foreign[n]) for n in chosen),
        }
    return summary


def format_acceptance(judged: Sequence[Judged], examples: Sequence[HeldOut] = ()) -> str:
    """Writes a table a model for a terminal, and the replies to the first queries as Markdown."""
    parts = [format_table(_list_figures(found)) for found in judged]
    if examples:
        parts += [format_markdown(_list_verdicts(examples, found)) for found in judged]
    return "\n\n".join(parts)


def write_acceptance(path: Path, judged: Sequence[Judged]) -> None:
    """Writes the figures as the JSON that `chatbot.programs.evaluate` describes.

    Raises:
        ChatbotError: The file cannot be written.
    """
    write_models(path, {found.name: found.figures for found in judged})


def _list_figures(judged: Judged) -> Table:
    header = ["held-out queries of", "search", "queries", "acceptable", "95 % interval", _FOREIGN]
    rows = []
    for search, groups in judged.figures.items():
        for group, found in groups.items():
            foreign = "" if found["other_language"] is None else f"{found['other_language']:,}"
            figures = write_share(found["acceptable"]), write_ends(write_share, found["interval"])
            names = make_line(group), make_line(search)
            rows.append([*names, f"{found['queries']:,}", *figures, foreign])
    return Table(f"Acceptable replies, {make_line(judged.name)}", header, rows)


def _list_verdicts(items: Sequence[HeldOut], judged: Judged) -> Table:
    columns = {"turns": [" / ".join(item.turns) for item in items]}
    for search, texts in judged.replies.items():
        verdicts = ("yes" if is_acceptable(*pair) else "no" for pair in zip(items, texts))
        columns[search] = [f"{text} ({verdict})" for text, verdict in zip(texts, verdicts)]
    rows = [[make_line(cell) for cell in row] for row in zip(*columns.values())]
    return Table("", [make_line(name) for name in columns], rows)
