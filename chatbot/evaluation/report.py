"""The page of an evaluation: one file that needs no other file and no network."""

from __future__ import annotations

import random
from collections.abc import Sequence
from html import escape
from pathlib import Path

from chatbot.corpus import Pair
from chatbot.errors import ChatbotError
from chatbot.evaluation.figures import Evaluation
from chatbot.evaluation.searches import PEOPLE
from chatbot.evaluation.tables import (
    Table,
    list_examples,
    list_remarks,
    list_tables,
    make_line,
)
from chatbot.plots import embed_curves, embed_lengths
from chatbot.system.files import replace_text
from chatbot.text import tokenize

FILE_NAME = "report.html"
SAMPLED = 50
"""Queries that are shown with every search's reply."""
_SEED = 0
_STYLE = """
body { font: 15px/1.45 system-ui, "Noto Sans CJK SC", sans-serif; margin: 2em auto;
       max-width: 96em; padding: 0 1.5em; color: #222; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .8em 0; }
th, td { padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: left;
         vertical-align: top; overflow-wrap: anywhere; }
th { border-bottom: 2px solid #888; }
.figures td { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.figures td:first-child, .figures td.name { text-align: left; }
svg { display: block; max-width: 100%; height: auto; margin: .5em 0; stroke-linejoin: round; }
"""


class Evaluations(list[Evaluation]):
    """Models measured on one corpus; a notebook shows their tables and their trainings."""

    def _repr_html_(self) -> str:
        return "\n".join([*_write_figures(self), *_draw_trainings(self)])


def write_report(directory: Path, evaluations: Sequence[Evaluation], pairs: Sequence[Pair]) -> None:
    """Writes the page whole, or leaves the one that was there as it was.

    Args:
        directory: The directory of `FILE_NAME`, made where it is missing.
        evaluations: At least one model.
        pairs: What they were measured on.

    Raises:
        ChatbotError: The page cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        replace_text(directory / FILE_NAME, make_page(evaluations, pairs))
    except OSError as error:
        raise ChatbotError(
            f"--report={directory}: {FILE_NAME} cannot be written there ({error.strerror}); free "
            "space or name another directory"
        ) from None


def make_page(evaluations: Sequence[Evaluation], pairs: Sequence[Pair]) -> str:
    """Writes the page's HTML."""
    title = (
        f"{' and '.join(make_line(found.name) for found in evaluations)} "
        f"on {sum(len(pair.replies) for pair in pairs):,} pairs"
    )
    parts = [
        _wrap("h1", title),
        *_write_figures(evaluations),
        *_draw_trainings(evaluations),
        _wrap("h2", "Lengths of the replies"),
        *_draw_lengths(evaluations, pairs),
        _wrap("h2", "Queries drawn at random, and the replies to them"),
        _write_table(_sample(evaluations, pairs), "replies"),
    ]
    head = f'<meta charset="utf-8">{_wrap("title", title)}<style>{_STYLE}</style>'
    body = "\n".join(part for part in parts if part)
    return f"<!DOCTYPE html>\n<html><head>{head}</head>\n<body>\n{body}\n</body></html>\n"


def _write_figures(evaluations: Sequence[Evaluation]) -> list[str]:
    tables = (_write_table(table, "figures") for table in list_tables(evaluations))
    return [*tables, *(_wrap("p", note) for note in _list_notes(evaluations))]


def _draw_trainings(evaluations: Sequence[Evaluation]) -> list[str]:
    curves = (
        embed_curves(make_line(found.name), found.reports)
        or _wrap("p", f"{found.name} has no reports of its training.")
        for found in evaluations
    )
    return [_wrap("h2", "Training"), *curves]


def _wrap(tag: str, text: str) -> str:
    return f"<{tag}>{escape(make_line(text))}</{tag}>"


def _write_table(table: Table, kind: str) -> str:
    head = "".join(_wrap("th", cell) for cell in table.header)
    names = table.header.index("search") if "search" in table.header else 0
    rows = []
    for row in table.rows:
        cells = [escape(cell) for cell in row]
        named = [f'<td class="name">{cell}</td>' for cell in cells[: names + 1]]
        rows.append(
            f"<tr>{''.join(named)}{''.join(f'<td>{cell}</td>' for cell in cells[names + 1 :])}</tr>"
        )
    title = _wrap("h2", table.title) if table.title else ""
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'{title}<div class="wide"><table class="{kind}">{body}</table></div>'


def _list_notes(evaluations: Sequence[Evaluation]) -> list[str]:
    notes = []
    for found in evaluations:
        notes += [f"{found.name}: {note}" for note in found.figures["notes"]]
    return [*notes, *list_remarks(evaluations)]


def _draw_lengths(evaluations: Sequence[Evaluation], pairs: Sequence[Pair]) -> list[str]:
    """Draws the lengths of each model's replies, people's beside them."""
    people = [len(tokenize(reply)) for pair in pairs for reply in pair.replies]
    pictures = []
    for found in evaluations:
        lengths = {
            name: [len(tokenize(reply)) for reply in replies]
            for name, replies in found.replies.items()
        }
        pictures.append(embed_lengths(make_line(found.name), {**lengths, PEOPLE: people}))
    return pictures


def _sample(evaluations: Sequence[Evaluation], pairs: Sequence[Pair]) -> Table:
    """Draws queries at random, the same ones for the same corpus."""
    count = min(SAMPLED, len(pairs))
    places = sorted(random.Random(_SEED).sample(range(len(pairs)), count))
    drawn = [
        Evaluation(
            found.name,
            found.figures,
            {name: [replies[place] for place in places] for name, replies in found.replies.items()},
            found.reports,
        )
        for found in evaluations
    ]
    return list_examples(drawn, [pairs[place] for place in places])
