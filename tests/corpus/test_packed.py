"""Packed corpora: read as the same files unpacked, damaged ones and bombs refused in one line."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from chatbot.corpus import ReadReport, detect_format, fingerprint, read_pairs
from chatbot.errors import ChatbotError
from tests.corpus_samples import NAMES, PAIRS, WHOLE, Files, Outcome, read, write

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": lambda content: bz2.compress(content, 1),  # of blocks of 100 kB
    ".xz": lzma.compress,
}


def pack(files: Files, suffix: str) -> Files:
    return {f"{name}{suffix}": PACKERS[suffix](content) for name, content in files.items()}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("name", NAMES)
def test_every_format_is_read_packed(tmp_path: Path, name: str, suffix: str) -> None:
    folder = write(tmp_path / "c", pack(WHOLE[name], suffix))
    assert detect_format(folder) == name
    assert read(folder, name) == Outcome(PAIRS, {}, "")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"deep/{file.name}")
    assert detect_format(tmp_path / "a.zip") == name
    assert read(tmp_path / "a.zip", name) == Outcome(PAIRS, {}, "")
    assert fingerprint(folder) == fingerprint(folder)


@pytest.mark.parametrize("suffix", PACKERS)
def test_the_name_need_not_tell(tmp_path: Path, suffix: str) -> None:
    for name in ("tsv", "jsonl", "dailydialog", "conv"):
        path = tmp_path / "corpus"
        path.write_bytes(PACKERS[suffix](next(iter(WHOLE[name].values()))))
        assert detect_format(path) == name
        assert read(path, name).pairs == PAIRS


def test_pieces_packed_one_by_one_are_read_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"a\tb\n") + gzip.compress(b"c\td\n"))
    assert [tuple(pair[:2]) for pair in read_pairs(path)] == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_damaged_file_is_one_line(tmp_path: Path, suffix: str) -> None:
    whole = PACKERS[suffix](b"".join(b"hello %d\tthere\n" % number for number in range(3000)))
    path = tmp_path / f"a.tsv{suffix}"
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 0xFF
    for content in (whole[: len(whole) // 2], whole[:-5], bytes(broken), b"a\tb\n", whole[:2]):
        path.write_bytes(content)
        with pytest.raises(ChatbotError, match=r"damaged|this is no \.") as refusal:
            list(read_pairs(path))
        assert str(refusal.value).startswith(str(path))
        assert str(refusal.value).isprintable()
    path.write_bytes(b"")
    with pytest.raises(ChatbotError, match="empty"):
        list(read_pairs(path))


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_bomb_is_refused_in_little_memory(tmp_path: Path, suffix: str) -> None:
    zeros = PACKERS[suffix](bytes(1 << 20))
    path = tmp_path / f"a.tsv{suffix}"
    path.write_bytes(zeros * 80)  # one stream after the other: 80 MB from less than 100 kB
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(ChatbotError, match=r"unpacks to more than 67,108,864 bytes"):
            list(read_pairs(path))
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", PACKERS)
def test_the_share_read_is_one_of_the_packed_bytes(tmp_path: Path, suffix: str) -> None:
    lines = b"".join(b"%d %d\tthere\n" % (n * n % 9973, n**3 % 9967) for n in range(90_000))
    path = tmp_path / f"a.tsv{suffix}"
    path.write_bytes(PACKERS[suffix](lines))
    report = ReadReport()
    shares = [report.share_read() for _ in read_pairs(path, "tsv", report)]
    assert shares == sorted(shares)
    assert shares[10] < 0.5
    assert 0.3 < shares[45_000] < 0.9
    assert report.share_read() == 1.0


def test_a_zip_in_a_zip_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("data/train.zip", b"PK\3\4 whatever")
    with pytest.raises(ChatbotError, match=r"unpack it and give an archive in it \(.*train\.zip\)"):
        detect_format(tmp_path / "outer.zip")
    with pytest.raises(ChatbotError, match=r"unpack it and give .*data/train\.zip"):
        read_pairs(tmp_path / "outer.zip", "dailydialog")


def test_another_archive_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "corpus.tar.gz"
    path.write_bytes(gzip.compress(b"a.tsv" + bytes(1000)))
    with pytest.raises(ChatbotError, match="unpack the archive and give the directory"):
        detect_format(path)


@pytest.mark.parametrize("name", ["corpus.tar.gz", "a.tsv.gz", "a.yml.gz"])
def test_a_tar_archive_is_not_read_as_text(tmp_path: Path, name: str) -> None:
    content = b"conversations:\n- - hello\n  - hi\nhello\tthere\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("corpus/a.tsv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    path = tmp_path / name
    path.write_bytes(packed.getvalue())
    with pytest.raises(ChatbotError, match="tar archive; unpack it and give the directory"):
        list(read_pairs(path))
