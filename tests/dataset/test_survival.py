from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatbot.corpus import fingerprint
from chatbot.dataset import EncodedCorpus
from chatbot.dataset import encode as encoding
from chatbot.dataset import encoded_corpus as dataset
from chatbot.errors import ChatbotError
from tests.small_corpora import SETTINGS, digest_files, encode, list_keys, write_corpus

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="source")
def make_source(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus.tsv")


def lose_a_file(directory: Path) -> None:
    (directory / "train.reply.offsets").unlink()


def cut_a_file(directory: Path) -> None:
    os.truncate(directory / "train.query.ids", 8)


def change_a_word(directory: Path) -> None:
    path = directory / "vocab.txt"
    path.write_bytes(path.read_bytes().replace(b"w1\n", b"w9\n"))


def cut_the_description(directory: Path) -> None:
    os.truncate(directory / "meta.json", 40)


def raise_the_format(directory: Path) -> None:
    path = directory / "meta.json"
    meta = json.loads(path.read_text())
    meta["format"] += 1
    path.write_text(json.dumps(meta))


def empty_the_description(directory: Path) -> None:
    (directory / "meta.json").write_text("[]")


@pytest.mark.parametrize(
    "damage",
    [
        lose_a_file,
        cut_a_file,
        change_a_word,
        cut_the_description,
        raise_the_format,
        empty_the_description,
    ],
)
def test_a_damaged_cache_is_made_again(source: Path, tmp_path: Path, damage: Any) -> None:
    cache = tmp_path / "cache"
    encode(source, cache)
    good = digest_files(cache)
    damage(cache / list_keys(cache)[0])
    assert digest_files(cache) != good
    with pytest.raises(ValueError, match="has no part"):
        EncodedCorpus(cache / list_keys(cache)[0], "train", 65)
    encode(source, cache)
    assert digest_files(cache) == good


def test_an_empty_corpus_is_refused_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    source.write_text("", encoding="utf-8")
    with pytest.raises(ChatbotError, match=str(source)) as caught:
        encode(source, tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache").exists() or not list_keys(tmp_path / "cache")


@pytest.mark.parametrize("limit", [100, 3_000, 5_000])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    source: Path, tmp_path: Path, limit: int
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(ChatbotError, match="free some space") as caught:
            encode(source, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert list_keys(tmp_path / "cache") == []
    encode(source, tmp_path / "cache")


# A process that is killed, and two at once

DIE = """
import os, signal, sys
from chatbot.dataset import encoded_corpus as dataset
from chatbot.dataset import files as encoded_files
from chatbot.dataset import encode as encoding
from chatbot.text import Vocabulary

moment, source, cache = sys.argv[1:]
encoded_files._CHUNK_TOKENS = 500

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def read(*arguments):
    for number, pair in enumerate(pairs(*arguments)):
        if number == 200:
            die()
        yield pair

def rename(old, new):
    if moment == "describing" and "meta" in str(new):
        die()
    renamed = not str(new).endswith((".txt", ".json"))
    if renamed and moment == "before the renaming":
        die()
    replace(old, new)
    after = "between the renamings" if "damaged" in str(new) else "after the renaming"
    if renamed and moment == after:
        die()

pairs, replace = encoding.read_pairs, os.replace
if moment == "reading":
    encoding.read_pairs = read
elif moment == "renumbering":
    encoded_files._SideWriter.finish = lambda side, ids: die()
os.replace = rename
dataset.encode_corpus(source, "tsv", cache, dataset.EncodingConfig(max_length=6), progress=False)
"""


@pytest.mark.parametrize(
    "moment",
    ["reading", "renumbering", "describing", "before the renaming", "after the renaming"],
)
def test_killed_half_way_and_run_again_is_as_if_never_killed(
    source: Path, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode(source, tmp_path / "uninterrupted")
    cache = tmp_path / "cache"
    command = [sys.executable, "-c", DIE, moment, str(source), str(cache)]
    killed = subprocess.run(command, cwd=ROOT, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    remains = [entry for entry in cache.rglob("*") if entry.is_file() and entry.stat().st_size]
    assert remains  # something was on the disk when it died
    if moment == "after the renaming":
        monkeypatch.setattr(dataset, "write_encoded", None)
    encode(source, cache)
    assert digest_files(cache) == digest_files(tmp_path / "uninterrupted")
    # An empty directory may stay until the next corpus is encoded; half-made files may not.
    assert not [entry for entry in cache.rglob(".building-*/**/*") if entry.is_file()]


def test_killed_while_a_damaged_cache_is_replaced(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    encode(source, cache)
    good = digest_files(cache)
    cut_a_file(cache / list_keys(cache)[0])
    command = [sys.executable, "-c", DIE, "between the renamings", str(source), str(cache)]
    killed = subprocess.run(command, cwd=ROOT, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert all(name.startswith(".building-") for name in list_keys(cache))
    encode(source, cache)
    assert digest_files(cache) == good


WAIT = """
import fcntl, sys, time
from chatbot.dataset import encoded_corpus as dataset
from chatbot.dataset import encode as encoding

role, source, cache = sys.argv[1:]
pairs, flock = encoding.read_pairs, fcntl.flock

def read(*arguments):
    yield from list(pairs(*arguments))[:200]
    print("half-way", flush=True)
    sys.stdin.read()  # until somebody kills it

def wait(file, operation):
    if not operation & fcntl.LOCK_NB:
        print("waiting", flush=True)
    flock(file, operation)

if role == "builder":
    encoding.read_pairs = read
fcntl.flock = wait
train, _, _ = dataset.encode_corpus(
    source, "tsv", cache, dataset.EncodingConfig(max_length=6), progress=False
)
print(len(train))
"""


def test_who_waits_for_a_builder_that_is_killed_builds(source: Path, tmp_path: Path) -> None:
    def start(role: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WAIT, role, str(source), str(tmp_path / "cache")]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)

    with start("builder") as builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "half-way\n"
        with start("waiter") as waiter:
            assert waiter.stdout is not None
            assert waiter.stdout.readline() == "waiting\n"
            builder.kill()
            assert waiter.communicate(timeout=60)[0] == "300\n"
    encode(source, tmp_path / "alone")
    assert digest_files(tmp_path / "cache") == digest_files(tmp_path / "alone")
    assert not [name for name in list_keys(tmp_path / "cache") if name.startswith(".building-")]


def test_a_corpus_that_changes_while_it_is_read_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(*arguments: Any) -> None:
        encoding.write_encoded(*arguments)
        with source.open("a", encoding="utf-8") as file:
            file.write("one\tmore\n")

    cache = tmp_path / "cache"
    with monkeypatch.context() as patched:
        patched.setattr(dataset, "write_encoded", change)
        with pytest.raises(ChatbotError, match="changed while it was read; run the same") as caught:
            encode(source, cache)
    assert str(source) in str(caught.value)
    assert list_keys(cache) == []
    train, _, _ = encode(source, cache)
    assert len(train) == 301


def test_a_part_knows_the_fingerprint_of_its_corpus(source: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, validation_share=0.3)
    for _ in range(2):  # encoded, and found
        train, validation, _ = encode(source, tmp_path / "cache", settings)
        assert validation is not None
        assert train.source == validation.source == fingerprint(source)


def test_two_processes_at_once_agree(source: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from chatbot import dataset\n"
        "settings = dataset.EncodingConfig(max_length=6)\n"
        "train, _, _ = dataset.encode_corpus(*sys.argv[1:4], settings, progress=False)\n"
        "print(len(train), 'tensorflow' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program, str(source), "tsv", str(tmp_path / "cache")]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in both:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert output == "300 False\n"  # and TensorFlow is not needed for any of this
    encode(source, tmp_path / "alone")
    assert digest_files(tmp_path / "cache") == digest_files(tmp_path / "alone")
