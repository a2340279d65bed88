"""The same two pairs as a corpus of each format, and ways to damage it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from chatbot.corpus import ReadReport, read_pairs
from chatbot.errors import ChatbotError

Files = dict[str, bytes]
PAIRS = [("hello", "hi there"), ("how are you?", "fine, thanks.")]

LINES = (
    b"L1 +++$+++ u0 +++$+++ m0 +++$+++ A +++$+++ hello\n"
    b"L2 +++$+++ u1 +++$+++ m0 +++$+++ B +++$+++ hi there\n"
    b"L3 +++$+++ u0 +++$+++ m0 +++$+++ A +++$+++ how are you?\n"
    b"L4 +++$+++ u1 +++$+++ m0 +++$+++ B +++$+++ fine, thanks.\n"
)
TALKS = (
    b"u0 +++$+++ u1 +++$+++ m0 +++$+++ ['L1', 'L2']\n"
    b"u0 +++$+++ u1 +++$+++ m0 +++$+++ ['L3', 'L4']\n"
)
UTTERANCES = (
    b'{"id": "1", "conversation_id": "1", "reply_to": null, "text": "hello"}\n'
    b'{"id": "2", "conversation_id": "1", "reply_to": "1", "text": "hi there"}\n'
    b'{"id": "3", "conversation_id": "3", "reply_to": null, "text": "how are you?"}\n'
    b'{"id": "4", "conversation_id": "3", "reply_to": "3", "text": "fine, thanks."}\n'
)
_OBJECTS = (
    b'{"query": "hello", "reply": "hi there"}\n'
    b'{"query": "how are you?", "reply": "fine, thanks."}\n'
)
# A corpus of the two pairs in each format; the first file is the one that gets damaged.
WHOLE: dict[str, Files] = {
    "tsv": {"a.tsv": b"hello\thi there\nhow are you?\tfine, thanks.\n"},
    "csv": {"a.csv": b'"hello",hi there\nhow are you?,"fine, thanks."\n'},
    "jsonl": {"a.jsonl": _OBJECTS},
    "json": {"a.json": b'[["hello", "hi there"],\n["how are you?", "fine, thanks."]]\n'},
    "dailydialog": {
        "dialogues_a.txt": b"hello __eou__ hi there __eou__\n"
        b"how are you? __eou__ fine, thanks. __eou__\n"
    },
    "cornell": {"movie_conversations.txt": TALKS, "movie_lines.txt": LINES},
    "convokit": {"utterances.jsonl": UTTERANCES},
    "chatterbot": {
        "a.yml": b"conversations:\n- - hello\n  - hi there\n- - how are you?\n  - fine, thanks.\n"
    },
    "conv": {"a.conv": b"E\nM hello\nM hi there\nE\nM how are you?\nM fine, thanks.\n"},
    "mixed": {
        "a.conv": b"E\nM hello\nM hi there\nE\nM how are you?\nM fine, thanks.\n",
        "b.tsv": b"query\treply\n",
    },
}
NAMES = tuple(WHOLE)
BY_LINE = tuple(name for name in NAMES if name not in ("chatterbot", "json"))


class Outcome(NamedTuple):
    """What came of a reading: pairs and the reasons of what was left out, or the refusal."""

    pairs: list[tuple[str, str]]
    dropped: dict[str, int]
    refusal: str


def write(folder: Path, files: Files) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def write_text(path: Path, text: str, encoding: str = "utf-8") -> Path:
    """Writes a file, its line ends as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def damage(name: str, content: bytes) -> Files:
    """The whole corpus of a format with another content of its first file."""
    first = next(iter(WHOLE[name]))
    return {**WHOLE[name], first: content}


def first_file(name: str) -> tuple[str, bytes]:
    return next(iter(WHOLE[name].items()))


def read(path: Path, name: str) -> Outcome:
    """Reads a corpus and checks that it is accounted for: one line, with the place and a cure."""
    report = ReadReport()
    pairs: list[tuple[str, str]] = []
    refusal = ""
    try:
        pairs += ((pair.query, pair.reply) for pair in read_pairs(path, name, report))
    except ChatbotError as error:
        refusal = str(error)
        assert refusal.isprintable(), "a refusal is one line that a terminal can show"
        assert str(path) in refusal, "a refusal names the file"
        assert re.search("check|choose|give|save|fetch|unpack|divide|needs", refusal), "no cure"
    assert "\n" not in report.summary()
    for reason, place in report.first.items():
        assert re.search(r":\d+$", place), f"{reason} without its line: {place}"
        assert report.dropped[reason] > 0
    return Outcome(pairs, report.dropped, refusal)


def insert_line(content: bytes, line: bytes) -> bytes:
    """Puts a line before the second pair of a file whose pairs are in its halves."""
    lines = content.splitlines(keepends=True)
    middle = len(lines) // 2
    return b"".join([*lines[:middle], line, *lines[middle:]])
