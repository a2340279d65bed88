"""The columns of the tables: which figures they have, and how a cell is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from chatbot.evaluation.hits import MMI, PLAIN
from chatbot.evaluation.tasks import Task

Figures = Mapping[str, Any]
Columns = Mapping[str, tuple[str, Callable[[Any], str]]]
"""{figure: its column's name, and what writes it}."""


def _write_number(decimals: int) -> Callable[[float], str]:
    return lambda value: f"{value:,.{decimals}f}"


def write_share(value: float) -> str:
    """Writes a share in percent."""
    return f"{value:.1%}"


def write_ends(write: Callable[[float], str], ends: Sequence[float]) -> str:
    """Writes an interval, each end as the figure itself is written."""
    return f"{write(ends[0])} to {write(ends[1])}"


def _write_difference(write: Callable[[float], str], found: Figures) -> str:
    """Writes a difference with its sign, and its interval if it has one."""
    difference, ends = found["difference"], found["interval"]
    text = f"{'+' if difference > 0 else ''}{write(difference)}"
    return text if ends is None else f"{text} [{write(ends[0])}, {write(ends[1])}]"


def _vary(
    names: Sequence[str], write_all: Callable[[Callable[[float], str], Any], str]
) -> dict[str, tuple[str, Callable[[Any], str]]]:
    """Makes columns whose writers use the one that writes a single figure."""
    return {
        name: (header, partial(write_all, write))
        for name, (header, write) in ((name, SEARCH_COLUMNS[name]) for name in names)
    }


CORPUS_COLUMNS: Columns = {
    "pairs": ("pairs", "{:,}".format),
    "dialogues": ("dialogues", "{:,}".format),
    "tokens": ("tokens", "{:,}".format),
    "unknown_share": ("unknown", write_share),
    "perplexity": ("perplexity", _write_number(2)),
    "perplexity_interval": ("95 % interval", lambda ends: write_ends(_write_number(2), ends)),
    "word_perplexity": ("a word", _write_number(2)),
    "known_word_perplexity": ("of known words", _write_number(2)),
    "seen_share": ("in training", write_share),
}
SEARCH_COLUMNS: Columns = {
    "bleu": ("BLEU", _write_number(2)),
    "chrf": ("chrF", _write_number(2)),
    "length_ratio": ("length ratio", _write_number(3)),
    "rouge_1": ("ROUGE-1", _write_number(2)),
    "rouge_2": ("ROUGE-2", _write_number(2)),
    "rouge_l": ("ROUGE-L", _write_number(2)),
    "distinct_1": ("distinct-1", _write_number(3)),
    "distinct_2": ("distinct-2", _write_number(3)),
    "mean_length": ("length", _write_number(1)),
    "commonest_share": ("ten commonest", write_share),
    "same_as_greedy_share": ("as greedy", write_share),
    "recall": ("word for word", write_share),
    "mean_log_prob": ("log prob", _write_number(2)),
    "replies_per_second": ("replies/s", _write_number(1)),
}

_RANKED: Columns = {
    "hits_1": ("hits@1", write_share),
    "hits_1 interval": ("95 % interval", partial(write_ends, write_share)),
    "hits_5": ("hits@5", write_share),
    "mean_rank": ("mean rank", _write_number(2)),
}
HITS_COLUMNS: Columns = {
    "queries": ("queries", "{:,}".format),
    **{
        f"{ranking} {figure}": (f"{header}{by}", write)
        for ranking, by in ((PLAIN, ""), (MMI, " by MMI"))
        for figure, (header, write) in _RANKED.items()
    },
}
PERPLEXITY_DIFFERENCE: Columns = {
    "perplexity": ("perplexity", partial(_write_difference, _write_number(2))),
    "word_perplexity": ("a word", partial(_write_difference, _write_number(2))),
}
HITS_DIFFERENCES: Columns = {
    name: (HITS_COLUMNS[name][0], partial(_write_difference, write_share))
    for name in (f"{PLAIN} hits_1", f"{MMI} hits_1")
}
"""Columns of differences, each written as the figure itself is."""


class SearchColumns(NamedTuple):
    """The columns of the tables with a row a search: figures, their intervals, differences."""

    figures: Columns
    intervals: Columns
    differences: Columns


def list_search_columns(task: Task) -> SearchColumns:
    """Lists the columns that a task needs; each is written as the figure itself is."""
    shown = {*task.figures, "same_as_greedy_share", "mean_log_prob", "replies_per_second"}
    if task.is_talk:
        shown.add("recall")
    unsure = [*task.figures, "mean_log_prob"]
    return SearchColumns(
        {name: column for name, column in SEARCH_COLUMNS.items() if name in shown},
        _vary(unsure, write_ends),
        _vary([name for name in unsure if name != "distinct_1"], _write_difference),
    )
