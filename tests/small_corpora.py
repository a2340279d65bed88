"""Small corpora in files, and their encoded form."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from chatbot.dataset import EncodedCorpus, EncodingConfig, encode_corpus
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
