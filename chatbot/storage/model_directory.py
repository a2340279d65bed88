"""The model directory: settings, vocabulary, and checkpoints that are whole or absent.

    config.json           format number, every setting, the vocabulary's length and hash
    vocab.txt             the words, one a line, the special tokens first
    subwords.model        there when the words are pieces: how words are cut, for sentencepiece
    training_pairs.u64    a hash of each pair that is learned from, uint64, little-endian
    checkpoints.json      the kept checkpoints, each with its files' sizes and hashes
    ckpt-*                the weights, their averages if there are any, and the optimizer's slots
    metrics.jsonl         one object a report
    finished.json         there when the training has nothing left to do
    curves.png            the reports as a picture

A checkpoint counts once `checkpoints.json` names it (see `checkpoints`).
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chatbot.errors import ChatbotError
from chatbot.settings.config import FORMAT, Config
from chatbot.storage.checkpoints import Checkpoint, CheckpointStore, PathLike, readable, unwritable
from chatbot.system.command import command
from chatbot.system.files import copy_whole, hash_file, read_json, remove_remains, write_json
from chatbot.text import Vocabulary

PAIRS = "training_pairs"
"""What config.json calls the hash of the file of the pairs' hashes, among the sources."""


def _read_object(values: dict[str, Any], name: str, source: Path) -> dict[str, Any]:
    """Takes one object out of a JSON object."""
    value = values.pop(name, {})
    if not isinstance(value, dict):
        raise ChatbotError(f"{source}: {name} is not an object; restore the file or train again")
    return value


def _take_back(made: Sequence[Path]) -> None:
    """Removes a directory and those around it, the innermost first, that are empty without it."""
    shutil.rmtree(made[0], ignore_errors=True)
    with contextlib.suppress(OSError):
        for place in made[1:]:
            place.rmdir()


class ModelDirectory(CheckpointStore):
    """Reads and writes one model directory."""

    def __init__(self, path: PathLike) -> None:
        """Points at a directory, which need not exist yet."""
        super().__init__(path)
        self.metrics_path = self.path / "metrics.jsonl"
        self.pairs_path = self.path / "training_pairs.u64"
        self._finished_path = self.path / "finished.json"

    @readable
    def exists(self) -> bool:
        """Tells whether a training was ever started here."""
        return (self.path / "config.json").exists()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other trainings out of the directory; the lock goes with the process.

        A directory that was made for it is removed again if no training was begun there.

        Raises:
            ChatbotError: Another process trains here, or the directory cannot be written.
        """
        made = [place for place in (self.path, *self.path.parents) if not place.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / ".lock").open("a")
        except OSError as error:
            raise unwritable(self.path, error) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ChatbotError(
                    f"{self.path} is being trained already; wait until that ends, or name "
                    "another --model_dir"
                ) from None
            remove_remains(self.path)
            try:
                yield
            finally:
                if made and not self.exists():
                    _take_back(made)

    def create(
        self,
        config: Config,
        vocabulary: Vocabulary,
        sources: Mapping[str, str] | None = None,
        pairs_file: Path | None = None,
    ) -> None:
        """Writes settings and vocabulary, before the first training step.

        Args:
            config: All settings.
            vocabulary: The words.
            sources: {setting: fingerprint} of the corpora.
            pairs_file: The hashes of the pairs to learn (see `pair_hashes`), which are copied.

        Raises:
            ChatbotError: The directory cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            vocabulary.save(self.path / "vocab.txt")
            write_json(self.path / "checkpoints.json", {"checkpoints": []})
            fingerprints = dict(sources or {})
            if pairs_file is not None:
                copy_whole(pairs_file, self.pairs_path)
                fingerprints[PAIRS] = hash_file(self.pairs_path)
            self.write_config(config, vocabulary, fingerprints)
        except OSError as error:
            raise unwritable(self.path, error) from None

    def keep_pairs(self, pairs_file: Path) -> None:
        """Copies the pairs' hashes (see `pair_hashes`) to where they are missing or damaged.

        Raises:
            ChatbotError: The directory cannot be written.
        """
        try:
            whole = self.pairs_path.exists() and hash_file(self.pairs_path) == hash_file(pairs_file)
            if not whole:
                copy_whole(pairs_file, self.pairs_path)
        except OSError as error:
            raise unwritable(self.path, error) from None

    @readable
    def check_pairs(self) -> None:
        """Compares the pairs' hashes, where there are any, with what config.json knows of them.

        Raises:
            ChatbotError: They are damaged.
        """
        known = self.read_sources().get(PAIRS)  # directories of older versions know nothing
        if known and self.pairs_path.exists() and hash_file(self.pairs_path) != known:
            raise ChatbotError(
                f"{self.pairs_path} is damaged (not what the training wrote); restore it, "
                "or delete it to do without the figures of unseen pairs"
            )

    def write_config(
        self, config: Config, vocabulary: Vocabulary, sources: Mapping[str, str] | None = None
    ) -> None:
        """Writes `config.json` in one step."""
        described = {"words": len(vocabulary), "sha256": vocabulary.digest}
        values: dict[str, Any] = {"format": FORMAT, **config.to_dict(), "vocabulary": described}
        values["sources"] = dict(sources or {})
        write_json(self.path / "config.json", values)

    def load(self) -> tuple[Config, Vocabulary]:
        """Reads settings and vocabulary back.

        Raises:
            ChatbotError: A file is missing, damaged, of a later format, or does not fit the other.
        """
        values = self._read_config()
        described = _read_object(values, "vocabulary", self.path / "config.json")
        _read_object(values, "sources", self.path / "config.json")
        config = Config.from_dict(values, str(self.path / "config.json"))
        subwords = config.corpus.subwords
        return config, Vocabulary.load(self.path / "vocab.txt", subwords, described)

    def require_best(self) -> Checkpoint:
        """Returns the best checkpoint.

        Raises:
            ChatbotError: There is none, or every one is damaged.
        """
        checkpoint = self.best()
        if checkpoint is None:
            raise ChatbotError(
                f"{self.path} has no checkpoint yet; "
                f"run {command('train')} --model_dir={self.path} until it has saved one"
            )
        return checkpoint

    def read_vocabulary_hash(self) -> str:
        """Returns the hash of the words, as config.json knows it."""
        described = _read_object(self._read_config(), "vocabulary", self.path / "config.json")
        return str(described.get("sha256"))

    def read_sources(self) -> dict[str, str]:
        """Returns {setting: fingerprint} of the corpora that the training was begun with."""
        return _read_object(self._read_config(), "sources", self.path / "config.json")

    @readable
    def _read_config(self) -> dict[str, Any]:
        if self.path.exists() and not self.path.is_dir():
            raise ChatbotError(f"{self.path} is not a directory; name another --model_dir")
        if not self.path.is_dir():
            raise ChatbotError(
                f"{self.path} does not exist; train a model there with {command('train')} "
                f"--corpus=FILE --model_dir={self.path}, or name another --model_dir"
            )
        if not self.exists():
            inside = sorted(p.parent.name for p in self.path.glob("*/config.json"))
            hint = f"did you mean {self.path / inside[0]}?" if inside else "train one there first"
            raise ChatbotError(f"{self.path} holds no model (no config.json); {hint}")
        values = read_json(self.path / "config.json")
        number = values.pop("format", None)
        if number != FORMAT:
            raise ChatbotError(
                f"{self.path / 'config.json'} has format {number}, this program reads format "
                f"{FORMAT}; use the version that wrote it or train again"
            )
        return values

    def mark_finished(self, step: int, reason: str) -> None:
        """Notes that the training has nothing left to do."""
        write_json(self._finished_path, {"step": step, "reason": reason})

    def unmark_finished(self) -> None:
        """Takes the note of `mark_finished` back."""
        self._finished_path.unlink(missing_ok=True)

    @readable
    def finished(self) -> dict[str, Any] | None:
        """Returns the note of `mark_finished`, or None."""
        return read_json(self._finished_path) if self._finished_path.exists() else None
