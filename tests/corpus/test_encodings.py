"""Encodings of corpora: told by their bytes, taken as named, refused where they do not fit."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.corpus import ReadReport, read_pairs
from chatbot.corpus.encodings import settle_encoding
from chatbot.corpus.sources import Source
from chatbot.errors import ChatbotError
from chatbot.settings.read_options import ReadOptions

CHINESE = [("你好", "你好呀"), ("今天天气怎么样？", "很好。"), ("我不知道你在说什么", "没事了")]
ENGLISH = [("hello", "hi there"), ("how are you?", "fine, thanks.")]
# What people write in other encodings, all of it beyond ASCII.
FOREIGN = {
    "euc_kr": "안녕하세요\t반갑습니다\n오늘 날씨가 어때요?\t맑아요\n데이터를 가지고 있습니다\t네\n",
    "euc_jp": "こんにちは\tはい、元気です\n今日の天気は？\t晴れです\n一人で行く\t気をつけて\n",
    "shift_jis": "こんにちは\tはい、元気です\n今日の天気は？\t晴れです\n一人で行く\tええ\n",
    "cp1251": "Привет, как дела?\tХорошо, а у тебя?\nЧто ты делаешь?\tНичего\nда\tнет\n",
    "koi8-r": "Привет, как дела?\tХорошо, а у тебя?\nЧто ты делаешь?\tНичего\nда\tнет\n",
    "big5": "你好嗎\t我很好,謝謝\n今天天氣怎麼樣\t晴天\n我不知道你在說什麼\t沒事\n",
    "latin-1": "Ça va très bien\tMerci à toi\nOù étais-tu ?\tÀ l'école\nDéjà ?\tOui, mes élèves\n",
}


def write_tsv(path: Path, pairs: list[tuple[str, str]], encoding: str, end: str = "\n") -> Path:
    path.write_bytes("".join(f"{q}\t{r}{end}" for q, r in pairs).encode(encoding))
    return path


def read(path: Path, encoding: str = "auto", report: ReadReport | None = None) -> list[object]:
    pairs = read_pairs(path, report=report, options=ReadOptions(encoding=encoding))
    return [(pair.query, pair.reply) for pair in pairs]


@pytest.mark.parametrize("pairs", [CHINESE, ENGLISH], ids=["chinese", "english"])
@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "utf-32"],
)
def test_each_encoding_is_told(tmp_path: Path, pairs: list[tuple[str, str]], encoding: str) -> None:
    for end in ("\n", "\r\n"):
        report = ReadReport()
        path = write_tsv(tmp_path / "a.tsv", pairs, encoding, end)
        assert read(path, report=report) == pairs
        assert report.dropped == {}


def test_a_conv_file_in_gbk_is_learned_whole(tmp_path: Path) -> None:
    path = tmp_path / "talks.conv"
    path.write_bytes("E\nM 你好\nM OK\nM 好的，你呢？\nE\nM hello\nM 在吗\n".encode("gbk"))
    assert read(path) == [("你好", "OK"), ("OK", "好的，你呢？"), ("hello", "在吗")]


def test_what_notepad_saves_as_unicode_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"\xff\xfe" + "“Hi”\t你好\r\n".encode("utf-16-le"))
    assert read(path) == [("“Hi”", "你好")]


@pytest.mark.parametrize("encoding", FOREIGN)
def test_another_encoding_is_refused_until_it_is_named(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(FOREIGN[encoding].encode(encoding))
    with pytest.raises(
        ChatbotError, match=r"a\.tsv:1: .* not UTF-8; .* with --encoding"
    ) as refusal:
        read(path)
    assert str(refusal.value).isprintable()
    lines = FOREIGN[encoding].splitlines()
    assert read(path, encoding) == [tuple(line.split("\t")) for line in lines]


def test_a_named_encoding_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "a.tsv", CHINESE, "utf-8")
    with pytest.raises(ChatbotError, match=r"a\.tsv:1: .* are not ascii; .* --encoding"):
        read(path, "ascii")
    with pytest.raises(ChatbotError, match=r"choose .*another --encoding"):
        read(write_tsv(tmp_path / "b.tsv", ENGLISH, "utf-8"), "utf-16-le")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "idna", "punycode"])
def test_a_named_encoding_that_cannot_read_the_file_is_one_line(
    tmp_path: Path, encoding: str
) -> None:
    """UTF-16 and UTF-32 without a mark, and codecs that are not meant for texts."""
    path = write_tsv(tmp_path / "a.tsv", CHINESE, "utf-8")
    with pytest.raises(ChatbotError, match=r"a\.tsv: cannot be read as .* choose another --enc"):
        read(path, encoding)


def test_the_first_line_beyond_ascii_may_come_late(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    rest = "".join(f"{query}\t{reply}\n" for query, reply in CHINESE).encode("gbk")
    path.write_bytes(b"hello\tthere\n" * 100_000 + rest)  # 1.2 MB before it
    assert settle_encoding(Source(path)) == "gb18030"
    path.write_bytes(b"hello\tthere\n" * 100_000 + "é\tè\n".encode("latin-1") * 3)
    report = ReadReport()
    assert len(read(path, report=report)) == 100_000
    assert report.dropped == {"line that is not UTF-8": 3}
    assert report.first["line that is not UTF-8"] == f"{path}:100001"


def test_most_lines_decide_and_the_others_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    utf_8, gbk = ("".join(f"{q}\t{r}\n" for q, r in CHINESE).encode(e) for e in ("utf-8", "gbk"))
    report = ReadReport()
    path.write_bytes(utf_8 * 20 + gbk)
    assert read(path, report=report) == CHINESE * 20
    assert report.dropped == {"line that is not UTF-8": 3}
    report = ReadReport()
    path.write_bytes(gbk * 20 + b"bad \xff\xff\tbytes\n")
    assert read(path, report=report) == CHINESE * 20
    assert report.dropped == {"line that is not GB18030": 1}


def test_each_file_of_a_directory_has_its_own(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", CHINESE, "utf-8")
    write_tsv(tmp_path / "b.tsv", CHINESE, "gbk")
    (tmp_path / "c.tsv.gz").write_bytes(gzip.compress("一\t是的\n你\t我不\n".encode("utf-16-le")))
    assert read(tmp_path) == [*CHINESE, *CHINESE, ("一", "是的"), ("你", "我不")]


@given(st.lists(st.text(st.characters(codec="ascii")), min_size=1).map("\n".join), st.integers())
def test_ascii_is_never_taken_for_utf_16(tmp_path_factory: object, text: str, place: int) -> None:
    """A stray NUL byte in a text of letters does not make Chinese of it."""
    letters = "".join(c if c.isprintable() or c == "\n" else "x" for c in text)
    content = bytearray(f"hello\tthere\n{letters}\nyes\tno\n".encode())
    content[place % len(content)] = 0
    path = Path(str(tmp_path_factory.getbasetemp())) / "nul.tsv"  # type: ignore[attr-defined]
    path.write_bytes(content)
    assert settle_encoding(Source(path)) == "utf-8"


@pytest.mark.parametrize("name", ["nope", "rot13", "hex", "undefined", "a\0b", ""])
def test_an_unknown_encoding_is_one_line(name: str) -> None:
    with pytest.raises(ChatbotError, match=r"--encoding=.* is unknown; choose") as refusal:
        ReadOptions(encoding=name)
    assert str(refusal.value).isprintable()
