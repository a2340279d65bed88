from __future__ import annotations

import bz2
import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatbot.corpus import word_vectors
from chatbot.corpus.word_vectors import check_vectors, read_vectors
from chatbot.errors import ChatbotError

E = 3
VECTORS = {
    "the": [0.5, -1.25, 3e-05],
    "Paris": [7.0, 8.0, 9.0],
    "你好": [0.25, 0.5, 0.75],
    "paris": [1.0, 2.0, -4.0],
    "PARIS": [0.0, 0.0, 1.0],
    "Straße": [4.0, 5.0, 6.0],
    "the ": [9.0, 9.0, 9.0],
}
WORDS = ["straße", "absent", "paris", "你好", "the"]
FOUND = ["Straße", None, "paris", "你好", "the"]


def write_text(vectors: dict[str, list[float]], end: str = "\n") -> bytes:
    rows = (f"{word} {' '.join(map(str, numbers))}{end}" for word, numbers in vectors.items())
    return "".join(rows).encode()


def write_binary(vectors: dict[str, list[float]], end: bytes = b"\n") -> bytes:
    rows = (
        word.encode() + b" " + np.array(numbers, "<f4").tobytes() + end
        for word, numbers in vectors.items()
    )
    return b"%d %d\n" % (len(vectors), E) + b"".join(rows)


SPACED = VECTORS
PLAIN = {word: numbers for word, numbers in VECTORS.items() if not word.endswith(" ")}
HEADER = b"%d 3\n"
FORMS = {
    "glove": write_text(SPACED),
    "glove, no last end": write_text(SPACED)[:-1],
    "word2vec text": HEADER % len(SPACED) + write_text(SPACED),
    "fasttext": HEADER % len(SPACED) + write_text(SPACED, " \n"),
    "tabs, CR LF": write_text(PLAIN, "\r\n").replace(b" ", b"\t"),
    "word2vec binary": write_binary(PLAIN),
    "word2vec binary, no ends": write_binary(PLAIN, b""),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
@pytest.mark.parametrize("piece", [1 << 20, 60])
def test_every_form_gives_the_same_vectors(
    form: str,
    pack: Callable[[bytes], bytes],
    piece: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(word_vectors, "PIECE", piece)
    path = tmp_path / "vectors"
    path.write_bytes(pack(FORMS[form]))
    check_vectors(str(path), E)
    found = read_vectors(str(path), WORDS, E)
    np.testing.assert_array_equal(found.places, [0, 2, 3, 4])
    expected = [VECTORS[name] for name in FOUND if name is not None]
    np.testing.assert_array_equal(found.vectors, np.array(expected, np.float32))


def test_the_first_of_several_vectors_counts(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"a 1 1\nB 2 2\na 3 3\nb 4 4\nB 5 5\nb 6 6\n")
    found = read_vectors(str(path), ["a", "b"], 2)
    np.testing.assert_array_equal(found.vectors, [[1, 1], [4, 4]])


BINARY = write_binary(PLAIN)
TEXT = HEADER % len(PLAIN) + write_text(PLAIN)
DAMAGES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "vectors:1: this is no word and its vector; give a file of"),
    "prose": (b"It was a dark night.\n", ":1: this is no word and its vector"),
    "another width": (b"a 1 2\nb 3 4\n", "has vectors of 2 numbers; give --embedding_size=2$"),
    "too few numbers": (b"a 1 2 3\nb 3\nc 1 2 3\n", ":2: there are not 3 numbers after a word"),
    "no number": (b"a 1 2 3\nthe 3 x 3\n", ":2: a number is damaged"),
    "infinite": (b"a 1 2 3\nthe 3 inf 3\n", ":2: a number is infinite or none"),
    "not all lines": (TEXT[: TEXT.rindex(b"\n", 0, -1) + 1], "ends after 5 of 6 vectors"),
    "a line cut": (TEXT[:-7], ":7: there are not 3 numbers after a word"),
    "binary cut": (BINARY[:-5], "ends after 5 of 6 vectors; fetch it again"),
    "binary without words": (b"9 3\n" + b"\0" * 9000, "vector 1 has no word"),
    "binary with nan": (
        write_binary({"a": [1, 2, 3], "the": [1, float("nan"), 3]}),
        "vector 2: a number is infinite or none",
    ),
    "zip": (b"PK\x03\x04 1 2 3", "is a zip; unpack it"),
    "model": (b"\xba\x16\x4f\x2f\x0c\0", "is a fastText model; give its .vec file"),
    "packed and cut": (gzip.compress(TEXT)[:-20], "is damaged, it does not unpack"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_refused_in_one_line_that_names_the_place(
    damage: str, tmp_path: Path
) -> None:
    content, message = DAMAGES[damage]
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(ChatbotError, match=message) as caught:
        read_vectors(str(path), WORDS, E)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ChatbotError, match=r"^--embeddings=.* cannot be read \(.*\); name a f"):
            check_vectors(str(path), E)


@pytest.mark.parametrize("form", ["text", "binary"])
def test_memory_does_not_grow_with_the_file(form: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(word_vectors, "PIECE", 1 << 14)
    path = tmp_path / "vectors"
    many = {f"word{number}": [0.5, 0.25, number] for number in range(30_000)}
    path.write_bytes(write_text(many) if form == "text" else write_binary(many))
    tracemalloc.start()
    try:
        found = read_vectors(str(path), ["word29999", "word7"], E)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found.vectors[:, 2], [29_999, 7])
    assert peak < 300_000 < path.stat().st_size
