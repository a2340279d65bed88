"""What is no talk is warned of, talk is not; the first pairs are shown as they are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from chatbot.corpus import ReadReport, read_pairs
from chatbot.corpus.column_kinds import find_kind
from chatbot.dataset import EncodingConfig, encode_corpus
from chatbot.plots.first_pairs import show_first_pairs
from chatbot.system.terminal import count_columns

RANDOM = random.Random(3)
IDS = [f"{RANDOM.getrandbits(128):032x}" for _ in range(20)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([f"2019-0{n}-12" for n in range(1, 9)], "dates or times"),
        ([f"{n}/12/2019 10:0{n}" for n in range(1, 9)], "dates or times"),
        ([f"2019-01-12T10:00:0{n}.5Z" for n in range(9)], "dates or times"),
        ([f"2019年{n}月3日" for n in range(1, 9)], "dates or times"),
        ([f"10:0{n} PM" for n in range(9)], "dates or times"),
        (["1276", "1277", "1276", "4021", "99001"], "ids"),
        ([f"L{n}" for n in range(100, 120)], "ids"),
        ([f"t1_{n}" for n in range(100, 120)], ""),  # two marks in one are rare; see the next
        ([f"msg-{n}" for n in range(100, 120)], "ids"),
        (IDS, "ids"),
        ([f"{i[:8]}-{i[8:12]}-{i[12:16]}-{i[16:20]}-{i[20:]}" for i in IDS], "ids"),
        ([str(n) for n in range(1, 40)], "numbers that count"),
        (["id", *map(str, range(1, 40))], "numbers that count"),
        ([str(n // 3) for n in range(40)], "numbers that count"),
        ([str(n * n + 12) for n in range(9)], "numbers that count"),
        ([f"1600000{n}00.5" for n in range(9)], "numbers that count"),
        (["localId", *map(str, range(9))], "numbers that count"),  # a header among few
        (
            ["date", *(f"Tue Oct 3 22:10:0{n} +0000 2017" for n in range(5))],
            "dates or times",
        ),
        ([f"Jan {n}, 2020" for n in range(1, 6)], "dates or times"),
        ([f"2020/1/{n} 上午 10:00:00" for n in range(1, 6)], "dates or times"),
        ([f"{n % 2}.0 hi EOS 1.0 there" for n in range(9)], "texts with a weight before them"),
        ([f"{n % 4 + 1} hi there" for n in range(40)], "texts with a counter before them"),
        ([f"{n}. hello" for n in range(40)], "texts with a counter before them"),
    ],
)
def test_columns_that_are_no_talk_are_told(values: list[str], kind: str) -> None:
    assert find_kind(values) == kind


@pytest.mark.parametrize(
    "values",
    [
        ["1", "ok", "2", "yes", "no", "3"],
        ["12", "7", "56", "4", "99", "12"],  # what sums come to
        ["3 beers please", "1 moment", "7 of them", "12 o'clock", "2 late", "5 times"],
        ["2019-01-02", "when was that?", "ok", "yes", "2019-01-04"],
        ["2019-01-02", "2019-01-03", "2019-01-04", "ok", "yes"],
        ["May 5", "I may", "Mark 5", "March on", "5 may do"],
        ["0.5", "0.25", "ok", "1.5 litres", "0.1"],
        ["at 10:30", "10:30", "ok", "see you", "no"],
        ["hello", "hi", "what?", "nothing", "bye"],
        ["1", "2", "3", "4"],  # too few
        ["deadbeef", "cafe", "facade", "beef", "decade"],
        ["你好", "1", "好的", "2", "嗯"],
    ],
)
def test_talk_is_of_no_such_kind(values: list[str]) -> None:
    assert find_kind(values) == ""


def test_the_bundled_corpus_is_not_warned_of() -> None:
    report = ReadReport()
    list(read_pairs(Path(__file__).parents[2] / "data" / "smalltalk", report=report))
    assert report.warnings() == []
    assert len(report.looked_at) == 1000


def test_what_is_kept_with_the_encoded_corpus_is_the_same_the_second_time(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("".join(f"{n}\tLet us try it.\ty\n" for n in range(1276, 1290)))
    settings = EncodingConfig(max_length=8)
    for _ in range(2):
        part, _, _ = encode_corpus(path, "auto", tmp_path / "cache", settings, progress=False)
        assert part.summary["first_pairs"] == [
            [f"{n}", "Let us try it."] for n in (1276, 1277, 1278)
        ]
        (warning,) = part.summary["warnings"]
        assert warning.startswith("nearly all queries look like ids")
        assert "--columns=QUERY,REPLY" in warning
    chosen = EncodingConfig(max_length=8, columns="2,3")
    part, _, _ = encode_corpus(path, "auto", tmp_path / "cache", chosen, progress=False)
    assert part.summary["first_pairs"][0] == ["Let us try it.", "y"]
    assert part.summary["warnings"] == []


def test_a_format_without_columns_has_another_cure(tmp_path: Path) -> None:
    path = tmp_path / "a.conv"
    path.write_text("".join(f"E\nM {n} hi\nM there\n" for n in range(9)))
    report = ReadReport()
    list(read_pairs(path, report=report))
    (warning,) = report.warnings()
    assert warning.endswith("; check the corpus")
    assert "a counter before them" in warning


@pytest.mark.parametrize("width", [20, 40, 80])
def test_the_first_pairs_fit_the_terminal(width: int) -> None:
    pairs = [["hello " * 50, "你好" * 50], ["\x1b[31mred\n", "\u202eleft"], ["a", "b"]]
    shown = show_first_pairs(pairs, width).splitlines()
    assert len(shown) == 4
    assert all(count_columns(line) <= width for line in shown)
    assert "".join(shown).isprintable()
    assert shown[3] == "  a  ->  b"
