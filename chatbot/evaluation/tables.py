"""Figures as rows and columns, for a terminal, for Markdown and for a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chatbot.corpus import Pair
from chatbot.errors import ChatbotError
from chatbot.evaluation.columns import (
    CORPUS_COLUMNS,
    HITS_COLUMNS,
    HITS_DIFFERENCES,
    PERPLEXITY_DIFFERENCE,
    Columns,
    Figures,
    list_search_columns,
)
from chatbot.evaluation.figures import UNSEEN, Evaluation
from chatbot.evaluation.hits import MMI, PLAIN
from chatbot.evaluation.searches import GREEDY, LEAD, UNSEARCHED
from chatbot.evaluation.tasks import CHAT, TASKS, Task
from chatbot.system.files import write_json
from chatbot.system.terminal import count_columns, make_visible, pad_columns


class Table(NamedTuple):
    """A table of texts, each on one line and safe to print.

    Attributes:
        title: What the table shows.
        header: The columns' names.
        rows: As many cells as there are columns; a cell may be empty.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def find_task(evaluations: Sequence[Evaluation]) -> Task:
    """Returns the task that the models were measured by."""
    return TASKS[evaluations[0].figures.get("task", CHAT)]


def list_remarks(evaluations: Sequence[Evaluation]) -> list[str]:
    """Says how the figures and their intervals were computed."""
    task = find_task(evaluations)
    figures = evaluations[0].figures
    signatures: Mapping[str, str] = figures["signatures"]
    remarks = [f"{name} by {task.library}: {text}" for name, text in signatures.items()]
    if LEAD in figures:
        remarks.append(
            f"{LEAD}: the first {figures[LEAD]['words']} words (characters, in Chinese and "
            "Japanese) of each query's last turn, as many as a reference has on average"
        )
    return [
        *remarks,
        f"intervals of figures and differences: 95 %, by leaving out one {task.units[0]} at a time "
        "(jackknife)",
    ]


def list_tables(evaluations: Sequence[Evaluation]) -> list[Table]:
    """Makes the tables of a comparison: a row a model, and a row a model and search.

    Returns:
        Perplexities, hits@k, then replies and their intervals, each over all pairs and then, where
        a model has learned from some pairs only, over those that it has not learned from; and the
        differences, over the unseen pairs wherever there are some.
    """
    counts = [(found.figures["pairs"], found.figures[f"pairs_{UNSEEN}"]) for found in evaluations]
    if all(pairs == unseen for pairs, unseen in counts):
        every, has_unseen = "all pairs (all unseen)", False
    else:
        every, has_unseen = "all pairs", any(unseen for _, unseen in counts)
    tables = [_list_models(f"Perplexity, {every}", evaluations, "")]
    if has_unseen:
        tables.append(_list_models("Perplexity, unseen pairs", evaluations, f"_{UNSEEN}"))
    tables.append(_list_hits(every, evaluations, _take_all))
    if has_unseen:
        tables.append(_list_hits("unseen pairs", evaluations, _take_unseen))
    tables += _list_replies(every, evaluations, _take_all)
    if has_unseen:
        tables += _list_replies("unseen pairs", evaluations, _take_unseen)
    compared = ("unseen pairs", _take_unseen) if has_unseen else (every, _take_all)
    tables.append(_list_search_differences(evaluations, *compared))
    tables.append(_list_model_differences(evaluations))
    return [table for table in tables if table.rows]


def format_table(table: Table) -> str:
    """Writes a table for a terminal: names on the left, figures on the right of their columns."""
    lines = [table.header, *table.rows]
    widths = [max(map(count_columns, column)) for column in zip(*lines)]
    # Only names of models and searches stand on the left.
    names = table.header.index("search") + 1 if "search" in table.header else 1
    written = []
    for line in lines:
        cells = [
            pad_columns(cell, width) if place < names else _pad_left(cell, width)
            for place, (cell, width) in enumerate(zip(line, widths))
        ]
        written.append("  ".join(cells).rstrip())
    return "\n".join([table.title, *written])


def list_examples(evaluations: Sequence[Evaluation], pairs: Sequence[Pair]) -> Table:
    """Puts what every search replies to the first queries beside what the corpus says."""
    columns = {"query": [pair.query for pair in pairs]}
    for evaluation in evaluations:
        before = f"{evaluation.name}: " if len(evaluations) > 1 else ""
        for name, replies in evaluation.replies.items():
            columns[before + name] = replies[: len(pairs)]
    columns["corpus"] = [" / ".join(dict.fromkeys(pair.replies)) for pair in pairs]
    rows = [[make_line(cell) for cell in row] for row in zip(*columns.values())]
    return Table("", [make_line(name) for name in columns], rows)


def format_markdown(table: Table) -> str:
    """Writes a table without its title as Markdown."""
    lines = [table.header, ["---"] * len(table.header), *table.rows]
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def make_line(text: str) -> str:
    """Writes a text on one line that no terminal obeys."""
    return make_visible(" ".join(text.split()))


def write_models(path: Path, figures: Mapping[str, Any]) -> None:
    """Writes the figures {directory: object} of models as JSON, those of a single one alone.

    Raises:
        ChatbotError: The file cannot be written.
    """
    try:
        write_json(path, {"models": figures} if len(figures) > 1 else next(iter(figures.values())))
    except OSError as error:
        raise ChatbotError(
            f"{path} cannot be written ({error.strerror}); name another file"
        ) from None


def _take_all(row: Figures) -> Figures:
    return row


def _take_unseen(row: Figures) -> Figures:
    unseen: Figures | None = row[UNSEEN]
    return unseen or {}


def _list_models(title: str, evaluations: Sequence[Evaluation], suffix: str) -> Table:
    _, units = find_task(evaluations).units
    named = {**CORPUS_COLUMNS, "dialogues": (units, CORPUS_COLUMNS["dialogues"][1])}
    columns = {
        name + suffix: column
        for name, column in named.items()
        if name + suffix in evaluations[0].figures
    }
    rows = [
        [make_line(evaluation.name), *_write_row(columns, evaluation.figures)]
        for evaluation in evaluations
    ]
    return Table(title, ["model", *_list_headers(columns)], rows)


def _list_hits(
    pairs: str, evaluations: Sequence[Evaluation], take: Callable[[Figures], Figures]
) -> Table:
    """Makes the table of hits@k, without rows where it was not measured."""
    measured = [(found.name, found.figures.get("hits")) for found in evaluations]
    rows = [
        [make_line(name), *_write_row(HITS_COLUMNS, _flatten(take(hits)))]
        for name, hits in measured
        if hits
    ]
    among = {hits["candidates"] for _, hits in measured if hits}
    title = f"Hits among {', '.join(map(str, among))} candidates, {pairs}"
    return Table(title, ["model", *_list_headers(HITS_COLUMNS)], rows)


def _flatten(hits: Figures) -> Figures:
    """Names figures of hits@k as `HITS_COLUMNS` does."""
    flat = dict(hits)
    for ranking in (PLAIN, MMI):
        found = flat.pop(ranking, {})
        flat |= {f"{ranking} {name}": value for name, value in found.items()}
        intervals = found.get("intervals", {})
        flat |= {f"{ranking} {name} interval": ends for name, ends in intervals.items()}
    return flat


def _list_replies(
    pairs: str,
    evaluations: Sequence[Evaluation],
    take: Callable[[Figures], Figures],
) -> list[Table]:
    """Makes the table of the figures, and that of their intervals if there are any."""

    def take_intervals(row: Figures) -> Figures:
        intervals: Figures = take(row).get("intervals", {})
        return intervals

    figures, intervals, _ = list_search_columns(find_task(evaluations))
    tables = [
        _list_searches(f"Replies, {pairs}", evaluations, take, figures),
        _list_searches(f"95 % intervals, {pairs}", evaluations, take_intervals, intervals),
    ]
    names = tables[1].header.index("search") + 1
    return tables if any(any(row[names:]) for row in tables[1].rows) else tables[:1]


def _list_searches(
    title: str,
    evaluations: Sequence[Evaluation],
    take: Callable[[Figures], Figures],
    columns: Columns,
) -> Table:
    several = len(evaluations) > 1
    rows = []
    for evaluation in evaluations:
        for name, figures in evaluation.figures["searches"].items():
            model = [make_line(evaluation.name)] if several else []
            rows.append([*model, make_line(name), *_write_row(columns, take(figures))])
    # Which pairs are unseen may differ between models, and with it these rows.
    for other in UNSEARCHED:
        found = {
            tuple(_write_row(columns, take(evaluation.figures[other]))): evaluation.name
            for evaluation in reversed(evaluations)
            if other in evaluation.figures
        }
        for cells, name in reversed(found.items()):
            model = [make_line(name) if len(found) > 1 else ""] if several else []
            rows.append([*model, other, *cells])
    header = [*(["model"] if several else []), "search"]
    return Table(title, [*header, *_list_headers(columns)], rows)


def _list_search_differences(
    evaluations: Sequence[Evaluation], pairs: str, take: Callable[[Figures], Figures]
) -> Table:
    """Subtracts greedy search's figures from those of each other search of the same model."""
    several = len(evaluations) > 1
    columns = list_search_columns(find_task(evaluations)).differences
    rows = []
    for evaluation in evaluations:
        for name, row in evaluation.figures["searches"].items():
            figures = take(row)
            if name != GREEDY and "from_greedy" in figures:
                model = [make_line(evaluation.name)] if several else []
                cells = _write_row(columns, figures["from_greedy"])
                rows.append([*model, make_line(name), *cells])
    header = [*(["model"] if several else []), "search"]
    return Table(
        f"Differences from greedy search, {pairs}",
        [*header, *_list_headers(columns)],
        rows,
    )


def _list_model_differences(evaluations: Sequence[Evaluation]) -> Table:
    """Subtracts the first model's figures from those of each other one, search by search."""
    task = find_task(evaluations)
    columns = {**PERPLEXITY_DIFFERENCE, **list_search_columns(task).differences}
    del columns["mean_log_prob"]
    if evaluations[0].figures.get("hits"):
        columns |= HITS_DIFFERENCES
    rows = []
    for evaluation in evaluations[1:]:
        found = evaluation.figures["from_first"]
        figures, pairs = (found[UNSEEN], UNSEEN) if found[UNSEEN] else (found, "all")
        names = [make_line(evaluation.name), f"{figures['pairs']:,} {pairs}"]
        # Once: these are not of a search.
        shown = {name: figures.get(name) for name in PERPLEXITY_DIFFERENCE}
        shown.update(_flatten(figures.get("hits", {})))
        for name, differences in figures["searches"].items():
            rows.append([*names, make_line(name), *_write_row(columns, {**shown, **differences})])
            shown = {}
    title = f"Differences from {make_line(evaluations[0].name)}"
    return Table(title, ["model", "pairs", "search", *_list_headers(columns)], rows)


def _list_headers(columns: Columns) -> list[str]:
    return [header for header, _ in columns.values()]


def _write_row(columns: Columns, figures: Figures) -> list[str]:
    values = ((figures.get(name), write) for name, (_, write) in columns.items())
    return ["" if value is None else write(value) for value, write in values]


def _pad_left(text: str, width: int) -> str:
    return " " * (width - count_columns(text)) + text
