from __future__ import annotations

import functools
import json
import re
import zipfile
from pathlib import Path

import pytest
from tqdm import tqdm

from chatbot.corpus import ReadReport, read_pairs
from chatbot.dataset import encode as encoding
from chatbot.dataset.encode import EncodingConfig, write_encoded
from tests.corpus_samples import NAMES, WHOLE, Files, write

LINES = 12_000
BUFFER = 16_384  # bytes that readers may be ahead of the pairs they have given
# What a bar says of a moment: percentage, pairs and the time left.
SHOWN = re.compile(r"encoding: +(\d+)%\|.*?\| (\S+) pairs \[\d+:\d+<([\d:?]+), ")


def repeat(name: str) -> Files:
    """The sample of a format made longer, where its pairs stand one after the other."""
    if name == "tsv":
        return {"a.tsv": b"hello\thi there\n" * LINES}
    if name == "conv":
        return {"a.conv": b"E\nM hello\nM hi there\n" * (LINES // 2), "b.conv": b"E\nM a\nM b\n"}
    lines = b"".join(
        b"L%d +++$+++ u0 +++$+++ m0 +++$+++ A +++$+++ hello\n" % number for number in range(LINES)
    )
    talks = b"".join(
        b"u0 +++$+++ u1 +++$+++ m0 +++$+++ ['L%d', 'L%d']\n" % (number, number - 1)
        for number in range(1, LINES)
    )
    return {"movie_conversations.txt": talks, "movie_lines.txt": lines}


def lay(folder: Path, files: Files, zipped: bool) -> Path:
    if not zipped:
        return write(folder, files)
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"deep/{name}", content)
    return path


def follow(path: Path, name: str) -> list[float]:
    """The shares read: before the reading, after each pair, and at the end."""
    report = ReadReport()
    shares = [report.share_read()]
    shares += [report.share_read() for _ in read_pairs(path, name, report)]
    return [*shares, report.share_read()]


@pytest.mark.parametrize("zipped", [False, True], ids=["directory", "zip"])
@pytest.mark.parametrize("name", NAMES)
def test_the_share_read_rises_from_nothing_to_all(name: str, zipped: bool, tmp_path: Path) -> None:
    shares = follow(lay(tmp_path / "corpus", WHOLE[name], zipped), name)
    assert shares == sorted(shares)
    assert shares[0] == 0.0 < shares[1]
    assert shares[-1] == 1.0


@pytest.mark.parametrize("zipped", [False, True], ids=["directory", "zip"])
@pytest.mark.parametrize("name", ["tsv", "conv"])
def test_the_share_read_is_that_of_the_bytes(name: str, zipped: bool, tmp_path: Path) -> None:
    files = repeat(name)
    shares = follow(lay(tmp_path / "corpus", files, zipped), name)[1:-1]
    slack = BUFFER / sum(map(len, files.values()))
    for number, share in enumerate(shares, start=1):
        assert -0.01 < share - number / len(shares) < slack + 0.01


def test_files_that_are_passed_over_are_not_waited_for(tmp_path: Path) -> None:
    talk = {f"dialogues_{name}.txt": b"a __eou__ b __eou__\n" for name in ("text", "more")}
    write(tmp_path / "corpus", talk)
    write(tmp_path / "corpus" / "below", talk)
    assert follow(tmp_path / "corpus", "dailydialog")[-2:] == [1.0, 1.0]


def test_bytes_that_are_not_expected_end_at_all(tmp_path: Path) -> None:
    path = write(tmp_path / "corpus", WHOLE["tsv"]) / "a.tsv"
    report = ReadReport()
    pairs = read_pairs(path, "tsv", report)
    with path.open("ab") as file:
        file.write(b"it has\tgrown\n")
    assert len(list(pairs)) == 3
    assert report.share_read() == 1.0


def show(path: Path, name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "tqdm", functools.partial(tqdm, mininterval=0.0))
    place.mkdir()
    write_encoded(path, name, place, EncodingConfig())


@pytest.mark.parametrize("zipped", [False, True], ids=["directory", "zip"])
@pytest.mark.parametrize("name", ["tsv", "cornell"])
def test_the_bar_says_how_long_encoding_still_takes(
    name: str,
    zipped: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = lay(tmp_path / "corpus", repeat(name), zipped)
    show(path, name, tmp_path / "encoded", monkeypatch)
    moments = SHOWN.findall(capsys.readouterr().err)
    percentages = [int(percentage) for percentage, _, _ in moments]
    assert percentages == sorted(percentages)
    assert percentages[-1] == 100
    # Of Cornell's texts half is read before the first pair, which says nothing of the time left.
    assert 1 <= percentages[0] <= 30
    assert len(set(percentages)) > 5
    assert all(":" in left for _, _, left in moments)
    assert moments[-1][1:] == ("12.0k", "00:00")


def test_a_bar_of_which_nothing_can_be_told_shows_the_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = b"- - hello\n  - hi there\n" * 1_100  # YAML is read as a whole before its first pair
    path = write(tmp_path / "corpus", {"a.yml": b"conversations:\n" + turns})
    show(path, "chatterbot", tmp_path / "encoded", monkeypatch)
    shown = capsys.readouterr().err
    assert re.search(r"encoding: 1\.00k pairs \[\d+:\d+, ", shown)
    assert set(SHOWN.findall(shown)) == {("100", "1.10k", "00:00")}


def test_a_reader_that_reads_all_before_its_first_pair_is_stopped_meanwhile(tmp_path: Path) -> None:
    lines = [
        {"id": str(n), "conversation_id": "0", "reply_to": str(n - 1) if n else None, "text": "hi"}
        for n in range(1500)
    ]
    path = tmp_path / "utterances.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    def stop() -> None:
        raise KeyboardInterrupt

    pairs = read_pairs(path, "convokit", ReadReport(check=stop))
    with pytest.raises(KeyboardInterrupt):
        next(pairs)
