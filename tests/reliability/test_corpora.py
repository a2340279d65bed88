"""Malformed corpora: read without harm, left out and counted with a reason, or refused."""

from __future__ import annotations

import gzip
import os
import random
import re
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from chatbot.corpus import ReadReport, read_pairs
from chatbot.errors import ChatbotError
from tests.corpus.test_malformed import pack
from tests.corpus.test_malformed_formats import COUNTED, REFUSED_YAML
from tests.corpus_samples import (
    BY_LINE,
    NAMES,
    WHOLE,
    Outcome,
    damage,
    first_file,
    insert_line,
    read,
    write,
)
from tests.helpers_chat import ROOT
from tests.reliability.conftest import Tally
from tests.trainings import tiny_settings

ROW = "malformed corpora"
HARMLESS, LEFT_OUT, REFUSED = "harmless", "left out and counted", "refused"
MARK = b"\xef\xbb\xbf"
LONG = 100_000_000
ZEROS = gzip.compress(bytes(1 << 20))
MEMORY, SECONDS = 40e6, 10.0
"""Bytes and seconds that the reading of any of them may take."""
LARGEST = ("100 MB line", "zip bomb", "gz bomb")
"""Those whose memory is looked at."""


class Case(NamedTuple):
    """One malformed corpus.

    Attributes:
        make: Makes it at a path, or beside it; returns where it is.
        ends: What may come of it.
    """

    make: Callable[[Path], Path]
    ends: tuple[str, ...]


def write_first(name: str, change: Callable[[bytes], bytes], path: Path) -> Path:
    """Writes a corpus whose first file is changed."""
    return write(path, damage(name, change(first_file(name)[1])))


def replace_first(name: str, make: Callable[[Path], object], path: Path) -> Path:
    """Writes a corpus with something else in its first file's place."""
    place = write(path, WHOLE[name]) / first_file(name)[0]
    place.unlink()
    make(place)
    return path


def pack_first(name: str, change: Callable[[bytes], bytes], path: Path) -> Path:
    """Writes a corpus whose first file is packed."""
    file, content = first_file(name)
    write(path, {**WHOLE[name], f"{file}.gz": change(content)})
    (path / file).unlink()
    return path


def cut_lines(content: bytes, end: bytes) -> bytes:
    """Ends every second line in another way."""
    lines = content.splitlines()
    return b"".join(line + (end if place % 2 else b"\n") for place, line in enumerate(lines))


def write_long_line(name: str, path: Path) -> Path:
    """Writes a corpus with a line of 100 MB between its pairs."""
    content = first_file(name)[1]
    before, line, after = insert_line(content, b"\0LONG\0").partition(b"\0LONG\0")
    with (write(path, WHOLE[name]) / first_file(name)[0]).open("wb") as file:
        file.write(before)
        for _ in range(LONG // 1_000_000):
            file.write(b"x" * 1_000_000)
        file.write(b"\n" + after if line else b"")
    return path


def zip_whole(name: str, change: Callable[[bytes], bytes], path: Path) -> Path:
    """Packs a corpus and changes the archive."""
    place = pack(path.with_suffix(".zip"), WHOLE[name].items(), zipfile.ZIP_DEFLATED)
    place.write_bytes(change(place.read_bytes()))
    return place


def zip_as(prefix: str, name: str, path: Path) -> Path:
    """Packs a corpus under other names."""
    members = [(prefix + file, content) for file, content in WHOLE[name].items()]
    return pack(path.with_suffix(".zip"), members, zipfile.ZIP_STORED)


def zip_bomb(name: str, path: Path) -> Path:
    """Packs a gigabyte of zeros into a megabyte, with the corpus' own names."""
    place = path.with_suffix(".zip")
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open(first_file(name)[0], "w") as member:
            for _ in range(256):
                member.write(bytes(1 << 22))
        for file, content in list(WHOLE[name].items())[1:]:
            archive.writestr(file, content)
    return place


def scatter(seed: str, content: bytes) -> bytes:
    """Damages a few bytes."""
    chance = random.Random(seed)
    damaged = bytearray(content)
    for _ in range(5):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged)


def list_common_cases(name: str) -> dict[str, Case]:
    """What may be malformed in any format."""
    first = partial(write_first, name)
    anything = (HARMLESS, LEFT_OUT, REFUSED)
    made = {
        "mark": Case(partial(first, lambda c: MARK + c), (HARMLESS,)),
        "crlf": Case(partial(first, lambda c: c.replace(b"\n", b"\r\n")), (HARMLESS,)),
        "mixed ends": Case(partial(first, lambda c: cut_lines(c, b"\r\n")), (HARMLESS,)),
        "no last end": Case(partial(first, lambda c: c[:-1]), (HARMLESS,)),
        "empty": Case(partial(first, lambda c: b""), (REFUSED,)),
        "a mark alone": Case(partial(first, lambda c: MARK), (REFUSED,)),
        "blank lines alone": Case(partial(first, lambda c: b"\n \r\n\t\n"), (REFUSED,)),
        "utf-16": Case(partial(first, lambda c: c.decode().encode("utf-16-le")), (HARMLESS,)),
        "bytes of a picture": Case(
            partial(first, lambda c: b"\x89PNG\r\n\x1a\n" + random.Random(2).randbytes(5000)),
            (REFUSED,),
        ),
        "NULs alone": Case(partial(first, lambda c: bytes(5000)), (REFUSED,)),
        "cut in the middle": Case(partial(first, lambda c: c[: len(c) // 2]), anything),
        "cut at its beginning": Case(partial(first, lambda c: c[:4]), (REFUSED,)),
        "100 MB line": Case(partial(write_long_line, name), (LEFT_OUT, REFUSED)),
        "directory for file": Case(partial(replace_first, name, Path.mkdir), (REFUSED,)),
        "pipe for file": Case(partial(replace_first, name, os.mkfifo), (REFUSED,)),
        "link to nothing": Case(
            partial(replace_first, name, lambda place: place.symlink_to("nothing")), (REFUSED,)
        ),
        "link to itself": Case(
            partial(replace_first, name, lambda place: place.symlink_to(place.name)), (REFUSED,)
        ),
        "missing file": Case(partial(replace_first, name, str), (REFUSED,)),
        "missing altogether": Case(lambda path: path, (REFUSED,)),
    }
    for turn in range(5):
        change = partial(scatter, f"{name} {turn}")
        made[f"scattered {turn}"] = Case(partial(first, change), anything)
        made[f"zip scattered {turn}"] = Case(partial(zip_whole, name, change), (HARMLESS, REFUSED))
    return made | list_packed_cases(name)


def list_packed_cases(name: str) -> dict[str, Case]:
    """What may be malformed in an archive of any format."""
    return {
        "zip cut": Case(partial(zip_whole, name, lambda c: c[:-9]), (REFUSED,)),
        "zip empty": Case(partial(zip_whole, name, lambda c: b"PK\5\6" + bytes(18)), (REFUSED,)),
        "zip bomb": Case(partial(zip_bomb, name), (REFUSED,)),
        "gz": Case(partial(pack_first, name, gzip.compress), (HARMLESS,)),
        "gz cut": Case(partial(pack_first, name, lambda c: gzip.compress(c)[:-9]), (REFUSED,)),
        "gz bomb": Case(partial(pack_first, name, lambda c: ZEROS * 100), (REFUSED,)),
        "zip climbing out": Case(partial(zip_as, "../../", name), (REFUSED,)),
        "zip absolute": Case(partial(zip_as, "/tmp/", name), (HARMLESS, REFUSED)),
    }


def list_own_cases(name: str) -> dict[str, Case]:
    """What may be malformed in one format alone, or in its lines."""
    made = {}
    lines = {"latin-1": b"caf\xe9\n", "gbk": b"\xb9\xfe\xb9\xfe\n", "NUL": b"nothing\0there\n"}
    if name in BY_LINE or name == "json":
        for label, line in lines.items():
            change = partial(insert_line, line=line)
            made[label] = Case(partial(write_first, name, change), (LEFT_OUT,))
    else:
        for label, line in lines.items():
            end = b"- - a\n  - " + line
            made[label] = Case(partial(write_first, name, partial(append, end=end)), (LEFT_OUT,))
    for form, line, _ in COUNTED:
        if form == name:
            change = partial(
                insert_conversation if name == "chatterbot" else insert_line, line=line
            )
            made[f"{line[:40]!r}"] = Case(partial(write_first, name, change), (LEFT_OUT,))
    for end, *_ in REFUSED_YAML if name == "chatterbot" else ():
        made[f"{end[:30]!r}"] = Case(
            partial(write_first, name, partial(append, end=end)), (REFUSED,)
        )
    return made


def append(content: bytes, end: bytes) -> bytes:
    return content + end


def insert_conversation(content: bytes, line: bytes) -> bytes:
    return content.replace(b"- - how", line + b"- - how")


CASES = {
    f"{name}: {label}": (name, case)
    for name in NAMES
    for label, case in {**list_common_cases(name), **list_own_cases(name)}.items()
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a corpus is put: two directories deep, so that what climbs out is seen."""
    (tmp_path / "deep").mkdir()
    return tmp_path / "deep" / "corpus"


def judge(outcome: Outcome) -> str:
    if outcome.refusal:
        return REFUSED
    return LEFT_OUT if outcome.dropped else HARMLESS


@pytest.mark.parametrize("label", CASES)
def test_each_is_read_or_counted_or_refused(
    tmp_path: Path, place: Path, tally: Tally, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    name, case = CASES[label]
    monkeypatch.chdir(tmp_path)
    with tally.trying(ROW):
        path = case.make(place)
        before = sorted(tmp_path.rglob("*"))
        begin = time.process_time()
        if label.endswith(LARGEST):
            tracemalloc.start()
        try:
            outcome = read(path, name)
            assert tracemalloc.get_traced_memory()[1] < MEMORY
        finally:
            tracemalloc.stop()
        assert time.process_time() - begin < SECONDS
        assert judge(outcome) in case.ends, outcome
        if judge(outcome) == HARMLESS:
            assert outcome.pairs
        assert sorted(tmp_path.rglob("*")) == before, "reading has written something"


@pytest.mark.parametrize("name", NAMES)
def test_each_reader_has_met_fifteen_at_least(name: str) -> None:
    met = [case for form, case in CASES.values() if form == name]
    assert sum(case.ends != (HARMLESS,) for case in met) >= 15
    assert all(f"{name}: {label}" in CASES for label in LARGEST)


@pytest.mark.parametrize("name", BY_LINE)
def test_the_summary_gives_the_reason_and_the_place(place: Path, name: str) -> None:
    report = ReadReport()
    list(read_pairs(CASES[f"{name}: NUL"][1].make(place), name, report))
    (reason,) = report.dropped
    assert reason in report.summary()
    assert re.search(r":\d+$", report.first[reason])


PROCESSES = ("tsv: bytes of a picture", "cornell: zip bomb", "json: bytes of a picture")


@pytest.mark.parametrize("label", PROCESSES)
def test_training_on_one_is_a_line_and_leaves_nothing(
    tmp_path: Path, place: Path, tally: Tally, label: str
) -> None:
    name, case = CASES[label]
    with tally.trying(ROW):
        settings = tiny_settings(case.make(place), corpus_format=name)
        flags = [f"--{flag}={value}" for flag, value in settings.items()]
        done = subprocess.run(
            [sys.executable, "train.py", *flags, f"--model_dir={tmp_path / 'model'}"],
            cwd=ROOT,
            capture_output=True,
            timeout=100,
            check=False,
        )
        tally.read(done.stderr)
        assert (done.returncode, done.stdout) == (2, b"")
        last = done.stderr.decode().splitlines()[-1]
        assert re.match(rf"train\.py: {re.escape(str(settings['corpus']))}", last)
        assert not (tmp_path / "model" / "config.json").exists()


def test_a_file_nobody_may_read_is_refused(place: Path, tally: Tally) -> None:
    path = write(place, WHOLE["tsv"]) / "a.tsv"
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with tally.trying(ROW), pytest.raises(ChatbotError, match="cannot be read"):
        list(read_pairs(place, "tsv"))
