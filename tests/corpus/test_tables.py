"""Tables of pairs: what Excel and csv write, what people write by hand, and which columns count."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot.corpus import ReadReport, read_dialogues, read_pairs
from chatbot.corpus.table_rows import read_rows
from chatbot.errors import ChatbotError
from chatbot.settings.read_options import ReadOptions
from tests.corpus_samples import write_text as write

# What Excel 365 saves as "Text (Tab delimited)", "Unicode Text", "CSV UTF-8", and as CSV where the
# numbers have commas: a cell with quotes, one of two lines, one with the delimiter.
CELLS = 'query{0}reply\r\n"Yes,""he"" said"{0}"one\ntwo"\r\nplain{0}"a{0}b"\r\n'
LEARNED = [('Yes,"he" said', "one\ntwo"), ("plain", "a{0}b")]


def read(path: Path, columns: str = "", report: ReadReport | None = None) -> list[tuple[str, str]]:
    dialogues = read_dialogues(path, report=report, options=ReadOptions(columns=columns))
    return [(query, reply) for query, reply in dialogues]


@pytest.mark.parametrize(
    ("name", "delimiter", "encoding"),
    [
        ("a.tsv", "\t", "cp1252"),
        ("a.tsv", "\t", "utf-16"),
        ("a.csv", ",", "utf-8-sig"),
        ("a.csv", ";", "cp1252"),
        ("a.csv", "\t", "utf-16"),
    ],
)
def test_what_excel_saves_is_read(tmp_path: Path, name: str, delimiter: str, encoding: str) -> None:
    path = tmp_path / name
    path.write_bytes(CELLS.format(delimiter).encode(encoding))
    report = ReadReport()
    assert read(path, report=report) == [(q, r.format(delimiter)) for q, r in LEARNED]
    assert report.dropped == {}


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from('",;\t\n')
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(texts, texts), min_size=1),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_csv_writes_is_read_back(
    rows: list[tuple[str, str]], delimiter: str, end: str
) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, lineterminator=end)
    if delimiter == "\t":  # which no cell of several lines has in a TSV
        rows = [(query.replace("\t", ""), reply.replace("\t", "")) for query, reply in rows]
    writer.writerows(rows)
    lines = written.getvalue().replace("\r\n", "\n").split("\n")
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    report = ReadReport()
    found = [cells for _, cells in read_rows(numbered, delimiter, "a", report)]
    # Blank lines are passed over, in a cell too.
    words = [[[cell.split() for cell in row] for row in table] for table in (found, rows)]
    assert [row for row in words[0] if any(row)] == [row for row in words[1] if any(row)]
    assert report.dropped == {}


@pytest.mark.parametrize(
    "lines",
    [
        ['"Yes\tNo', "a\tb", 'c\td"', "e\tf"],
        ['say "hi"\t"', "a\tb"],
        ['"Yes," he said.\tOk', "a\tb"],
        ['"Oh\tno', *[f"a{n}\tb" for n in range(500)]],
        ['"\t"', "a\tb"],
    ],
)
def test_a_stray_quote_in_a_tsv_is_one_like_any_other(tmp_path: Path, lines: list[str]) -> None:
    path = write(tmp_path / "a.tsv", "\n".join(lines))
    report = ReadReport()
    assert read(path, report=report) == [tuple(line.split("\t")) for line in lines]
    assert report.dropped == {}


def test_a_stray_quote_in_a_csv_takes_its_row_alone(tmp_path: Path) -> None:
    rows = [f"a{number},b\n" for number in range(20_000)]
    path = write(tmp_path / "a.csv", 'x,"never closed\n' + "".join(rows))
    report = ReadReport()
    assert len(read(path, report=report)) == len(rows)
    assert report.dropped == {"row whose quotes do not match": 1}
    assert report.first["row whose quotes do not match"] == f"{path}:1"


def test_a_cell_with_a_lost_line_is_not_patched_up(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'a,"one\n\xff\xff\ntwo"\nc,d\n')
    report = ReadReport()
    assert read(path, report=report) == [("c", "d")]
    # The row begins in line 1; its end is no row of two cells.
    assert report.dropped["line that is not UTF-8"] == 1
    assert report.dropped["row whose quotes do not match"] == 1
    assert sum(report.dropped.values()) == 3


@pytest.mark.parametrize(
    "header", ["query,reply", "Question,ANSWER ", "input,output", "问题,回答", "prompt,response"]
)
def test_a_header_is_not_learned(tmp_path: Path, header: str) -> None:
    assert read(write(tmp_path / "a.csv", f"{header}\nhello,hi\n")) == [("hello", "hi")]
    tabs = header.replace(",", "\t")
    assert read(write(tmp_path / "a.tsv", f"{tabs}\nhello\thi\n")) == [("hello", "hi")]
    turned = "\t".join(reversed(header.split(",")))
    path = write(tmp_path / "b.tsv", f"id\t{turned}\n7\thi\thello\n")
    assert read(path) == [("hello", "hi")]


def test_talk_about_questions_is_no_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "question?\tanswer\nQuery 1\treply\n")
    assert len(read(path)) == 2


DATED = "2019-01-02\t7\thello\thi\n2019-01-03\t8\tbye\tsee you\n"


@pytest.mark.parametrize("columns", ["3,4", " 3 , 4 "])
def test_columns_are_chosen_by_number(tmp_path: Path, columns: str) -> None:
    path = write(tmp_path / "a.tsv", DATED)
    assert read(path, columns) == [("hello", "hi"), ("bye", "see you")]
    assert read(path, "4,3")[0] == ("hi", "hello")


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "day\tn\tshe\the\n" + DATED)
    assert read(path, "she,he") == [("hello", "hi"), ("bye", "see you")]
    assert read(path, "she,4") == [("hello", "hi"), ("bye", "see you")]
    assert read(write(tmp_path / "b.csv", "Frage,Antwort\na,b\n"), "Frage,Antwort") == [("a", "b")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_keys_are_chosen_by_name(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, '{"query": "no", "reply": "no", "a1": "hello", "b": "hi"}\n')
    assert read(path, "a1,b") == [("hello", "hi")]


@pytest.mark.parametrize(
    ("name", "content", "columns", "problem"),
    [
        ("a.tsv", DATED, "she,he", r"a\.tsv:1: no column is named 'she', they are .*--columns"),
        ("a.tsv", DATED, "3,9", r"a\.tsv:1: row of less than 9 columns; .*other --columns"),
        ("a.csv", "a,b\n", "1,\x1b", r"a\.csv:1: no column is named '\\x1b'"),
        (
            "a.csv",
            "input,q,reply\n",
            "",
            r"csv:1: query and reply may be any of input, q, reply",
        ),
        ("a.jsonl", '{"a": "b"}\n', "x,y", r'without the texts "x" and "y"; .*other --columns'),
        ("a.csv", "x,y,z\n", "00,1", "no column is named '00'"),
        ("a.csv", "query,reply\nx,y\n", "1,query", "1 and query are the same column"),
        ("a.conv", "E\nM a\nM b\n", "1,2", "the format conv has no columns"),
    ],
)
def test_wrong_columns_are_one_line(
    tmp_path: Path, name: str, content: str, columns: str, problem: str
) -> None:
    with pytest.raises(ChatbotError, match=problem) as refusal:
        read(write(tmp_path / name, content), columns)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("columns", ["3", "1,2,3", ",", "a,", "2,2", "0,1", "a,a"])
def test_what_names_no_two_columns_is_refused(columns: str) -> None:
    with pytest.raises(ChatbotError, match=r"--columns=.* does not name two columns"):
        ReadOptions(columns=columns)


def test_the_delimiter_is_the_one_that_makes_even_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Well, hi;Oh, hello, you\nok;yes\nfine, fine;good\n")
    assert read(path) == [("Well, hi", "Oh, hello, you"), ("ok", "yes"), ("fine, fine", "good")]
    path = write(tmp_path / "b.csv", '"a; b",c\nd;e,f\nok,yes;no\n')
    assert [pair.reply for pair in read_pairs(path)] == ["c", "f", "yes;no"]
    path = write(tmp_path / "c.csv", "salut, toi;oui, moi\nhé, toi;non, toi\n")  # as even by commas
    assert read(path) == [("salut, toi", "oui, moi"), ("hé, toi", "non, toi")]


def test_a_comma_of_the_text_without_quotes_cuts_no_reply_short(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "hi,there\nhi,hello, how are you?\nyo,hey\n")
    report = ReadReport()
    assert read(path, report=report) == [("hi", "there"), ("yo", "hey")]
    assert report.first == {"row of more than 2 cells": f"{path}:2"}


def test_blanks_may_stand_before_a_quoted_cell(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'hi, "there, you"\n"yo",  "hey"\n5" disk, ok\n')
    assert read(path) == [("hi", "there, you"), ("yo", "hey"), ('5" disk', " ok")]
