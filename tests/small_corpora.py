"""Small corpora in files, and their encoded form."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from chatbot.dataset import EncodedCorpus, EncodingConfig, encode_corpus, files
from chatbot.text import Vocabulary

SETTINGS = EncodingConfig(max_length=6, min_count=1)


def spell(words: npt.NDArray[np.int64]) -> str:
    return " ".join(f"w{word}" for word in words)


def write_corpus(path: Path, pairs: int = 300) -> Path:
    generator = np.random.default_rng(7)
    lines = []
    for _ in range(pairs):
        query, reply = (generator.integers(0, 60, generator.integers(1, 9)) for _ in range(2))
        lines.append(f"{spell(query)}\t{spell(reply)}\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def encode(
    source: Path,
    cache: Path,
    settings: EncodingConfig = SETTINGS,
    vocabulary: Vocabulary | None = None,
) -> tuple[EncodedCorpus, EncodedCorpus | None, Vocabulary]:
    return encode_corpus(source, "tsv", cache, settings, vocabulary, progress=False)


def list_keys(cache: Path) -> list[str]:
    return sorted(entry.name for entry in cache.iterdir() if entry.is_dir())


def digest_files(cache: Path) -> dict[str, str]:
    (key,) = (name for name in list_keys(cache) if not name.startswith("."))
    return {
        entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
        for entry in (cache / key).iterdir()
    }


def repeat_encoded(directory: Path, place: Path, times: int) -> Path:
    """Writes the encoded form that a corpus would have if its pairs were repeated."""
    meta = files.read_meta(directory)
    assert meta is not None
    place.mkdir()
    shutil.copy(directory / files.VOCABULARY_FILE, place)
    for side in (files.QUERY, files.REPLY):
        name = f"{files.TRAIN}.{side}"
        for kind in ("ids", "lengths"):
            (place / f"{name}.{kind}").write_bytes(
                (directory / f"{name}.{kind}").read_bytes() * times
            )
        lengths = np.fromfile(place / f"{name}.lengths", files.LENGTH_TYPE)
        offsets = np.cumsum(lengths, dtype=files.OFFSET_TYPE) - lengths
        offsets.tofile(place / f"{name}.offsets")
    hashes = f"{files.TRAIN}{files.PAIRS}"
    (place / hashes).write_bytes((directory / hashes).read_bytes() * times)
    files.write_meta(place, meta)
    return place
