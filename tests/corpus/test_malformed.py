"""Malformed corpora: each is read past and counted, or refused in one line with its place."""

from __future__ import annotations

import os
import random
import re
import tracemalloc
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from chatbot.corpus import FORMATS, detect_format, fingerprint, read_pairs
from chatbot.errors import ChatbotError
from tests.corpus_samples import (
    BY_LINE,
    NAMES,
    PAIRS,
    WHOLE,
    Outcome,
    damage,
    first_file,
    insert_line,
    read,
    write,
)


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_corpus_reads(tmp_path: Path, name: str) -> None:
    assert read(write(tmp_path / "c", WHOLE[name]), name) == Outcome(PAIRS, {}, "")
    assert set(NAMES) == set(FORMATS) - {"auto"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", ["mark", "crlf", "cr", "mixed", "no last end", "blank lines"])
def test_harmless_differences_change_nothing(tmp_path: Path, name: str, change: str) -> None:
    content = first_file(name)[1]
    lines = content.splitlines()
    changed = {
        "mark": b"\xef\xbb\xbf" + content,
        "crlf": content.replace(b"\n", b"\r\n"),
        "cr": content.replace(b"\n", b"\r"),
        "mixed": b"".join(line + b"\r\n"[number % 2 :] for number, line in enumerate(lines)),
        "no last end": content[:-1],
        "blank lines": content.replace(b"\n", b"\n\n \n"),
    }[change]
    assert read(write(tmp_path / "c", damage(name, changed)), name) == Outcome(PAIRS, {}, "")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [b"", b"\n\n \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    outcome = read(write(tmp_path / "c", damage(name, content)), name)
    assert outcome.pairs == []
    assert "empty" in outcome.refusal or 'no list "conversations"' in outcome.refusal


@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_file_gives_what_it_has(tmp_path: Path, name: str) -> None:
    content = first_file(name)[1]
    whole = set(" ".join(map(" ".join, PAIRS)).split())
    for length in range(len(content)):
        outcome = read(write(tmp_path / "c", damage(name, content[:length])), name)
        assert outcome.pairs or outcome.refusal
        assert len(outcome.pairs) <= 2
        if outcome.pairs:
            assert outcome.pairs[0][0] == "hello"
        for word in " ".join(map(" ".join, outcome.pairs)).split():
            # Of DailyDialog a piece of __eou__ may stay on the last word.
            assert any(full.startswith(word.partition("_")[0]) for full in whole)


@pytest.mark.parametrize("name", BY_LINE)
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"caf\xe9 in latin-1\n", "line that is not UTF-8"),
        (b"\xb9\xfe\xb9\xfe in GBK\n", "line that is not UTF-8"),
        (b"nothing\0there\n", "line with NUL bytes"),
        (b"x" * (1 << 20) + b"yz\n", "line longer than 1,048,576 characters"),
    ],
    ids=["latin-1", "gbk", "nul", "long"],
)
def test_a_line_that_is_no_text_is_counted(
    tmp_path: Path, name: str, line: bytes, reason: str
) -> None:
    files = damage(name, insert_line(first_file(name)[1], line))
    outcome = read(write(tmp_path / "c", files), name)
    assert outcome.pairs == PAIRS
    if name == "cornell" and "UTF-8" in reason:
        reason = "line of other than 4 fields"  # every byte is a letter in ISO-8859-1
    assert outcome.dropped == {reason: 1}


@pytest.mark.parametrize("name", NAMES)
def test_utf_16_is_read_with_a_mark_and_without(tmp_path: Path, name: str) -> None:
    content = first_file(name)[1].decode()
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        outcome = read(write(tmp_path / "c", damage(name, content.encode(encoding))), name)
        assert outcome == Outcome(PAIRS, {}, "")


@pytest.mark.parametrize("name", NAMES)
def test_a_directory_where_a_file_is_due_is_refused(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "c", WHOLE[name])
    (folder / first_file(name)[0]).unlink()
    (folder / first_file(name)[0]).mkdir()
    outcome = read(folder, name)
    assert re.search(r"no .* is here|there is no |the corpus is empty", outcome.refusal)


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / first_file(name)[0]
    os.mkfifo(path)
    assert "is neither a file nor a directory" in read(path, name).refusal
    with pytest.raises(ChatbotError):
        detect_format(path)
    assert "is here" in read(tmp_path, name).refusal


@pytest.mark.parametrize("name", NAMES)
def test_a_name_with_control_characters_stays_one_harmless_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "\x1b[31m\nname\udcff"
    path.write_bytes(b"")
    try:
        list(read_pairs(path, name))
    except ChatbotError as error:
        assert str(error).isprintable()  # noqa: PT017 - that it is refused is shown below
    with pytest.raises(ChatbotError):
        list(read_pairs(path, name))


@pytest.mark.parametrize("name", NAMES)
def test_a_line_of_100_megabytes_is_passed_in_little_memory(tmp_path: Path, name: str) -> None:
    content = first_file(name)[1]
    lines = content.splitlines(keepends=True)
    folder = write(tmp_path / "c", WHOLE[name])
    path = folder / first_file(name)[0]
    try:
        with open(path, "wb") as file:
            file.writelines(lines[: len(lines) // 2])
            file.writelines(b"x" * 1_000_000 for _ in range(100))
            file.write(b"\n")
            file.writelines(lines[len(lines) // 2 :])
        tracemalloc.start()
        outcome = read(folder, name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        path.unlink()
    assert peak < 40e6
    if name == "chatterbot":
        assert "YAML of more than" in outcome.refusal
    else:
        reason = "line longer than 1,048,576 characters"
        if name == "json":
            reason = "text that is neither an object nor a list of turns"
        assert outcome == Outcome(PAIRS, {reason: 1}, "")


def pack(path: Path, files: Iterable[tuple[str, bytes]], compression: int) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_zip_is_read_and_never_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, method: int
) -> None:
    def forbid(*_: object) -> None:
        raise AssertionError("a member was written to the disk")

    monkeypatch.setattr(zipfile.ZipFile, "extract", forbid)
    monkeypatch.setattr(zipfile.ZipFile, "extractall", forbid)
    files = [(f"../../../{file}", content) for file, content in WHOLE[name].items()]
    path = pack(tmp_path / "a.zip", files, method)
    before = sorted(tmp_path.rglob("*"))
    assert read(path, name).refusal  # a path of .. is hidden: nothing is found
    pack(path, [(f"deep/er/{file}", content) for file, content in WHOLE[name].items()], method)
    assert read(path, name) == Outcome(PAIRS, {}, "")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_zip_bomb_is_refused_unopened(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in WHOLE[name]:
            with archive.open(file, "w") as member:
                for _ in range(70):
                    member.write(bytes(1 << 20))
    assert "would unpack to" in read(path, name).refusal
    with pytest.raises(ChatbotError, match="would unpack to"):
        detect_format(path)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_zips_are_refused_or_read(tmp_path: Path, name: str) -> None:
    path = pack(tmp_path / "a.zip", WHOLE[name].items(), zipfile.ZIP_DEFLATED)
    whole = path.read_bytes()
    chance = random.Random(name)
    for length in [0, 3, 4, 30, len(whole) // 2, len(whole) - 30, len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert re.search("not a whole zip|empty", read(path, name).refusal)
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(chance.choice([1, 1, 4])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        outcome = read(path, name)
        assert outcome.refusal or outcome.pairs == PAIRS


@pytest.mark.parametrize("name", NAMES)
def test_a_zip_with_a_password_is_refused(tmp_path: Path, name: str) -> None:
    path = pack(tmp_path / "a.zip", WHOLE[name].items(), zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for found in re.finditer(re.escape(signature), bytes(content)):
            content[found.start() + offset] |= 1  # the flag of an encrypted member
    path.write_bytes(content)
    assert re.search("cannot be unpacked .*encrypted", read(path, name).refusal)


@pytest.mark.parametrize("name", NAMES)
def test_random_damage_never_gives_a_traceback(tmp_path: Path, name: str) -> None:
    chance = random.Random(f"damage {name}")
    for _ in range(150):
        files = {}
        for file, content in WHOLE[name].items():
            damaged = bytearray(content)
            for _ in range(chance.randrange(8)):
                place = chance.randrange(len(damaged))
                cut = place + chance.randrange(4)
                damaged[place:cut] = chance.choice([b"", b"\xff", b"'", b"[", b"\r", b"\0", b"&a "])
            files[file] = bytes(damaged)
        outcome = read(write(tmp_path / "c", files), name)
        assert outcome.pairs or outcome.refusal
        fingerprint(tmp_path / "c")
