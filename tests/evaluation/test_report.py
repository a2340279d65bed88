from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chatbot.corpus import Pair
from chatbot.errors import ChatbotError
from chatbot.evaluation.figures import Evaluation
from chatbot.evaluation.report import SAMPLED, Evaluations, make_page, write_report
from chatbot.evaluation.tables import (
    Table,
    format_markdown,
    format_table,
    list_examples,
    list_tables,
)

HOSTILE = '<script>alert("x")</script> & \x1b[2J\u202e\ud800 <img src=http://example.org/a>'
EMPTY = {"meta", "img"}


class PageReader(HTMLParser):
    """Checks that what is opened is closed, and keeps what stands in it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read_page(page: str) -> PageReader:
    reader = PageReader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


def make_row(bleu: float, **more: Any) -> dict[str, Any]:
    intervals = {"bleu": [bleu / 2, bleu * 2], "mean_length": None}
    row = {"bleu": bleu, "distinct_1": 0.25, "mean_length": 3.0, "commonest_share": 0.5}
    return {**row, "intervals": intervals, **more}


def make_differences(bleu: float) -> dict[str, Any]:
    return {
        "bleu": {"difference": bleu, "interval": [bleu - 0.3, bleu + 0.3]},
        "distinct_2": {"difference": 0.0, "interval": None},
        "commonest_share": {"difference": -0.25, "interval": [-0.375, -0.125]},
    }


def make_difference(pairs: int, unseen: Any = None, perplexity: float | None = None) -> Any:
    shown = None if perplexity is None else {"difference": perplexity, "interval": [-1.0, 1.5]}
    searches = {"greedy": make_differences(0.4), "你好": make_differences(-0.4)}
    return {"pairs": pairs, "perplexity": shown, "searches": searches, "unseen": unseen}


def make_evaluation(
    name: str, replies: list[str], has_unseen: bool = True, reports: Any = ()
) -> Evaluation:
    people = make_row(0.0)
    del people["bleu"]
    figures: dict[str, Any] = {
        "pairs": len(replies),
        "dialogues": 1,
        "tokens": 1234,
        "unknown_share": 0.125,
        "perplexity": 34.567,
        "perplexity_interval": [30.0, 40.0],
        "seen_share": 0.21 if has_unseen else None,
        "pairs_unseen": 2 if has_unseen else None,
        "dialogues_unseen": 2 if has_unseen else None,
        "tokens_unseen": 9 if has_unseen else None,
        "unknown_share_unseen": 0.0 if has_unseen else None,
        "perplexity_unseen": 38.7 if has_unseen else None,
        "perplexity_interval_unseen": [37.0, 39.5] if has_unseen else None,
        "searches": {
            "greedy": make_row(1.5, unseen=make_row(0.75) if has_unseen else None),
            "你好": make_row(
                12.25,
                replies_per_second=99.9,
                from_greedy=make_differences(0.4),
                unseen=make_row(1.0, from_greedy=make_differences(-0.2)) if has_unseen else None,
            ),
        },
        "people": {**people, "unseen": people if has_unseen else None},
        "signatures": {"bleu": "nrefs:1", "chrf": "nc:6"},
        "notes": ["a note <b>"],
    }
    found = {"greedy": replies, "你好": [f"{reply}!" for reply in replies]}
    return Evaluation(name, figures, found, list(reports))


def make_pairs(count: int) -> list[Pair]:
    return [Pair(f"query {number}", f"reply {number} 好", number) for number in range(count)]


def test_columns_stand_under_their_names() -> None:
    tables = list_tables([make_evaluation("m", ["x"] * 3)])
    perplexity, unseen, replies, intervals, unseen_replies, _, differences = tables
    assert format_table(perplexity).splitlines() == [
        "Perplexity, all pairs",
        "model  pairs  dialogues  tokens  unknown  perplexity   95 % interval  in training",
        "m          3          1   1,234    12.5%       34.57  30.00 to 40.00        21.0%",
    ]
    assert unseen.rows == [["m", "2", "2", "9", "0.0%", "38.70", "37.00 to 39.50"]]
    lines = format_table(replies).splitlines()
    assert lines[1].split()[:3] == ["search", "BLEU", "chrF"]
    assert lines[2].startswith("greedy   1.50 ")
    assert lines[3].startswith("你好    12.25 ")  # two columns each
    assert lines[4].startswith("people  ")
    assert lines[3].endswith("99.9")
    assert [row[1] for row in unseen_replies.rows] == ["0.75", "1.00", ""]
    assert intervals.rows[1] == ["你好", "6.12 to 24.50", *[""] * 6]
    assert differences.title == "Differences from greedy search, unseen pairs"
    (row,) = differences.rows
    assert row == ["你好", "-0.20 [-0.50, 0.10]", "", "0.000", "", "-25.0% [-37.5%, -12.5%]", ""]


def test_without_unseen_pairs_there_are_no_tables_of_them() -> None:
    tables = list_tables([make_evaluation("m", ["x"], has_unseen=False)])
    assert [table.title for table in tables] == [
        "Perplexity, all pairs",
        "Replies, all pairs",
        "95 % intervals, all pairs",
        "Differences from greedy search, all pairs",
    ]
    assert tables[-1].rows[0][1] == "+0.40 [0.10, 0.70]"


def test_where_all_pairs_are_unseen_each_table_stands_once_and_says_so() -> None:
    found = make_evaluation("m", ["x", "y"])
    titles = [table.title for table in list_tables([found])]
    assert titles == [
        "Perplexity, all pairs (all unseen)",
        "Replies, all pairs (all unseen)",
        "95 % intervals, all pairs (all unseen)",
        "Differences from greedy search, all pairs (all unseen)",
    ]
    other = make_evaluation("other", ["x", "y"], has_unseen=False)
    other.figures["from_first"] = make_difference(2)
    assert "Perplexity, unseen pairs" in [table.title for table in list_tables([found, other])]


def test_tables_that_would_be_empty_are_left_out() -> None:
    found = make_evaluation("m", ["x"], has_unseen=False)
    del found.figures["searches"]["你好"]
    for row in (found.figures["searches"]["greedy"], found.figures["people"]):
        row["intervals"] = dict.fromkeys(row["intervals"])
    titles = [table.title for table in list_tables([found])]
    assert titles == ["Perplexity, all pairs", "Replies, all pairs"]


def test_each_further_model_stands_beside_the_first_by_pairs_that_neither_has_seen() -> None:
    evaluations = [make_evaluation(name, ["x"] * 3) for name in ("m1", "m2", "m3")]
    unseen = make_difference(2, perplexity=0.25)
    unseen["word_perplexity"] = {"pairs": 2, "difference": 0.5, "interval": None}
    evaluations[1].figures["from_first"] = make_difference(3, unseen, perplexity=9.0)
    evaluations[2].figures["from_first"] = make_difference(3)
    table = list_tables(evaluations)[-1]
    assert table.title == "Differences from m1"
    assert list(table.header)[:5] == ["model", "pairs", "search", "perplexity", "a word"]
    assert [list(row)[:6] for row in table.rows] == [
        ["m2", "2 unseen", "greedy", "+0.25 [-1.00, 1.50]", "+0.50", "+0.40 [0.10, 0.70]"],
        ["m2", "2 unseen", "你好", "", "", "-0.40 [-0.70, -0.10]"],
        ["m3", "3 all", "greedy", "", "", "+0.40 [0.10, 0.70]"],
        ["m3", "3 all", "你好", "", "", "-0.40 [-0.70, -0.10]"],
    ]


def test_models_stand_in_one_table_with_people_once() -> None:
    both = [make_evaluation("m1", ["x"]), make_evaluation("m2", ["y"])]
    both[1].figures["people"]["unseen"] = make_row(3.0)
    both[1].figures["from_first"] = make_difference(1)
    perplexity, _, replies, _, unseen, *_ = list_tables(both)
    assert [row[0] for row in perplexity.rows] == ["m1", "m2"]
    names = [tuple(row[:2]) for row in replies.rows]
    assert names == [
        ("m1", "greedy"),
        ("m1", "你好"),
        ("m2", "greedy"),
        ("m2", "你好"),
        ("", "people"),
    ]
    # Which pairs are unseen is each model's own affair.
    assert [tuple(row[:2]) for row in unseen.rows[4:]] == [("m1", "people"), ("m2", "people")]


def test_examples_are_one_line_each_and_keep_their_columns() -> None:
    pairs = [Pair("a | b", "c\nd\x1b", 0)]
    table = list_examples([make_evaluation("m", ["e", "f"])], pairs)
    assert format_markdown(table).splitlines() == [
        "| query | greedy | 你好 | corpus |",
        "| --- | --- | --- | --- |",
        "| a \\| b | e | e! | c d\ufffd |",
    ]
    both = list_examples([make_evaluation(name, ["e"]) for name in ("m1", "m2")], pairs)
    assert list(both.header)[1:3] == ["m1: greedy", "m1: 你好"]
    assert format_table(Table("t", ["search", "n"], [["a", "1"]])).splitlines()[2] == "a       1"


def test_a_page_is_whole_and_needs_no_network() -> None:
    reports = [
        {"step": 1, "perplexity": 900.0, "validation_perplexity": float("nan")},
        {"step": 5, "perplexity": 90.0, "validation_perplexity": 100.0},
        {"step": "six", "perplexity": None},
    ]
    evaluations = [make_evaluation(name, ["x y", ""], True, reports) for name in ("m1", "m2")]
    evaluations[1].figures["from_first"] = make_difference(2)
    page = make_page(evaluations, make_pairs(2))
    reader = read_page(page)
    assert reader.tags.count("svg") == 4
    assert not {"script", "link", "img", "iframe", "object"} & set(reader.tags)
    assert not [name for name, _ in reader.attributes if name in ("src", "href", "xlink:href")]
    assert not re.search(r"https?:|url\(|@import", page)
    assert "reply 1 好" in reader.texts
    assert "a note <b>" in " ".join(reader.texts)
    assert "bleu by sacrebleu: nrefs:1" in reader.texts


def test_a_notebook_shows_the_figures_and_curves_of_the_page() -> None:
    reports = [{"step": 1, "perplexity": 900.0}, {"step": 5, "perplexity": 90.0}]
    evaluations = Evaluations([make_evaluation(HOSTILE, ["x"], True, reports)])
    shown = evaluations._repr_html_()
    reader = read_page(shown)
    assert not {"script", "img", "html"} & set(reader.tags)
    assert (reader.tags.count("svg"), reader.tags.count("table")) == (1, 7)
    assert shown in make_page(evaluations, make_pairs(1))


def test_hostile_replies_are_shown_and_do_nothing() -> None:
    page = make_page([make_evaluation(HOSTILE, [HOSTILE])], [Pair(HOSTILE, HOSTILE, 0)])
    reader = read_page(page)
    assert not {"script", "img"} & set(reader.tags)
    assert any('<script>alert("x")</script>' in text for text in reader.texts)
    assert not re.search("[\x1b\u202e\ud800]", page)
    page.encode()


def test_queries_are_drawn_by_lot_and_the_same_each_time() -> None:
    count = 3 * SAMPLED
    replies = [f"said {number}" for number in range(count)]
    page = make_page([make_evaluation("m", replies)], make_pairs(count))
    shown = [int(number) for number in re.findall(r"<td class=\"name\">query (\d+)<", page)]
    assert len(shown) == SAMPLED
    assert shown == sorted(set(shown))
    assert shown != list(range(SAMPLED))
    assert [int(number) for number in re.findall(r"<td>said (\d+)</td>", page)] == shown
    assert page == make_page([make_evaluation("m", replies)], make_pairs(count))


def test_a_page_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "deep" / "report"
    write_report(target, [make_evaluation("m", ["x"])], make_pairs(1))
    before = (target / "report.html").read_bytes()
    assert before.startswith(b"<!DOCTYPE html>")

    def refuse(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(ChatbotError, match="No space left") as caught:
        write_report(target, [make_evaluation("other", ["x"])], make_pairs(1))
    assert "\n" not in str(caught.value)
    assert (target / "report.html").read_bytes() == before


def test_a_report_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ChatbotError, match=r"--report=.*file: report\.html cannot be written"):
        write_report(tmp_path / "file", [make_evaluation("m", ["x"])], make_pairs(1))
