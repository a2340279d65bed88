"""The model directory: settings, vocabulary, and checkpoints that are whole or absent.

    config.json       format number, every setting, the vocabulary's length and hash
    vocab.txt         the words, one a line, the special tokens first
    checkpoints.json  the kept checkpoints, each with its files' sizes and hashes
    ckpt-*            the weights and the optimizer's slots
    metrics.jsonl     one object a report
    finished.json     there when the training has nothing left to do

A checkpoint counts once `checkpoints.json` names it, and that file is replaced in one step after
the checkpoint's own files are on disk.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union

import tensorflow as tf
from absl import logging

from chatbot.config import FORMAT, Config
from chatbot.errors import ChatbotError
from chatbot.files import flush_to_disk, hash_file, read_json, write_json
from chatbot.text import Vocabulary

PathLike = Union[str, "os.PathLike[str]"]
KEPT = 2
"""Newest checkpoints kept besides the best one."""


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint on disk.

    Attributes:
        name: Prefix of its files.
        step: Training steps behind it.
        files: {file name: [bytes, SHA-256]}.
        progress: What the training loop wants back when it goes on from here.
        validation_perplexity: What was measured here, or None.
    """

    name: str
    step: int
    files: dict[str, tuple[int, str]]
    progress: dict[str, Any] = field(default_factory=dict)
    validation_perplexity: float | None = None


class ModelDirectory:
    """Reads and writes one model directory."""

    def __init__(self, path: PathLike) -> None:
        """Points at a directory, which need not exist yet.

        Args:
            path: The directory.
        """
        self.path = Path(path)
        self.metrics_path = self.path / "metrics.jsonl"
        self._finished_path = self.path / "finished.json"

    def exists(self) -> bool:
        """Tells whether a training was ever started here."""
        return (self.path / "config.json").exists()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other trainings out of the directory; the lock goes with the process.

        Raises:
            ChatbotError: Another process trains here, or the directory cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / ".lock").open("a")
        except OSError as error:
            raise _unwritable(self.path, error) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ChatbotError(
                    f"{self.path} is being trained by another process; wait for it, or name "
                    "another --model_dir"
                ) from None
            yield

    def create(self, config: Config, vocabulary: Vocabulary) -> None:
        """Writes settings and vocabulary, before the first training step.

        Args:
            config: The settings.
            vocabulary: The words.

        Raises:
            ChatbotError: The directory cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            vocabulary.save(self.path / "vocab.txt")
            self.write_config(config, vocabulary)
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def write_config(self, config: Config, vocabulary: Vocabulary) -> None:
        """Writes `config.json` in one step; arguments as for `create`."""
        described = {"words": len(vocabulary), "sha256": vocabulary.digest}
        values = {"format": FORMAT, **config.to_dict(), "vocabulary": described}
        write_json(self.path / "config.json", values)

    def load(self) -> tuple[Config, Vocabulary]:
        """Reads settings and vocabulary back.

        Returns:
            Both.

        Raises:
            ChatbotError: A file is missing, damaged, of a later format, or does not fit the other.
        """
        values = self._read_config()
        described = values.pop("vocabulary", {})
        config = Config.from_dict(values, str(self.path / "config.json"))
        vocabulary = Vocabulary.load(self.path / "vocab.txt")
        if vocabulary.digest != described.get("sha256"):
            raise ChatbotError(
                f"{self.path / 'vocab.txt'} is not the vocabulary that the model was trained with "
                f"({described.get('words')} words); restore the file or train again"
            )
        return config, vocabulary

    def _read_config(self) -> dict[str, Any]:
        if not self.path.is_dir():
            raise ChatbotError(
                f"{self.path} does not exist; train a model there with "
                f"train.py --model_dir={self.path}, or name another --model_dir"
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

    def checkpoints(self) -> list[Checkpoint]:
        """Returns the kept checkpoints, the oldest first."""
        path = self.path / "checkpoints.json"
        if not path.exists():
            return []
        try:
            return [Checkpoint(**entry) for entry in read_json(path)["checkpoints"]]
        except (KeyError, TypeError):
            raise ChatbotError(
                f"{path} is damaged; restore it from a copy or train again"
            ) from None

    def newest(self) -> Checkpoint | None:
        """Returns the newest checkpoint that is whole, naming in the log any that is not."""
        return self._first_whole(reversed(self.checkpoints()))

    def best(self) -> Checkpoint | None:
        """Returns the best checkpoint by validation perplexity, else the newest."""
        measured = [c for c in self.checkpoints() if c.validation_perplexity is not None]
        ordered = sorted(measured, key=lambda c: c.validation_perplexity or 0.0)
        return self._first_whole(ordered) or self.newest()

    def _first_whole(self, candidates: Any) -> Checkpoint | None:
        for candidate in candidates:
            damage = self._find_damage(candidate)
            if damage is None:
                return candidate  # type: ignore[no-any-return]
            logging.warning("skipping checkpoint %s: %s", candidate.name, damage)
        return None

    def _find_damage(self, checkpoint: Checkpoint) -> str | None:
        """Returns what is wrong with a checkpoint's files, or None."""
        for name, (size, digest) in checkpoint.files.items():
            path = self.path / name
            if not path.exists():
                return f"{path} is missing"
            if path.stat().st_size != size or hash_file(path) != digest:
                return f"{path} is damaged"
        return None

    def save(
        self,
        tracked: tf.train.Checkpoint,
        prefix: str,
        step: int,
        progress: dict[str, Any],
        validation_perplexity: float | None = None,
    ) -> Checkpoint:
        """Writes a checkpoint aside, moves it in, names it, and drops the ones not kept.

        Args:
            tracked: Model and optimizer.
            prefix: First part of the file names.
            step: Training steps so far.
            progress: JSON values that the training loop wants back.
            validation_perplexity: What was measured at this step, or None.

        Returns:
            The checkpoint.

        Raises:
            ChatbotError: It could not be written; the earlier ones are untouched.
        """
        name = f"{prefix}-{step}"
        aside = self.path / ".writing"
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            tracked.write(str(aside / name))
            files = {}
            for path in sorted(aside.iterdir()):
                flush_to_disk(path)
                files[path.name] = (path.stat().st_size, hash_file(path))
                os.replace(path, self.path / path.name)
            aside.rmdir()
            made = Checkpoint(name, step, files, progress, validation_perplexity)
            self._remember(made)
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise _unwritable(self.path, error) from None
        return made

    def _remember(self, made: Checkpoint) -> None:
        """Adds a checkpoint to the index and deletes what is no longer kept."""
        everything = [c for c in self.checkpoints() if c.step != made.step] + [made]
        everything.sort(key=lambda c: c.step)
        measured = [c for c in everything if c.validation_perplexity is not None]
        best = sorted(measured, key=lambda c: c.validation_perplexity or 0.0)[:1]
        kept = [c for c in everything if c in everything[-KEPT:] or c in best]
        entries = [dataclasses.asdict(c) for c in kept]
        write_json(self.path / "checkpoints.json", {"checkpoints": entries})
        needed = {name for c in kept for name in c.files}
        for name in {name for c in everything for name in c.files} - needed:
            (self.path / name).unlink(missing_ok=True)

    def restore(self, tracked: tf.train.Checkpoint, checkpoint: Checkpoint, whole: bool) -> None:
        """Loads a checkpoint into variables that exist already.

        Args:
            tracked: What to load into.
            checkpoint: What to load.
            whole: Whether everything in the checkpoint must have found its place, as in training;
                a chat leaves the optimizer's slots aside.

        Raises:
            ChatbotError: The checkpoint does not fit the variables.
        """
        try:
            status = tracked.read(str(self.path / checkpoint.name))
            status.assert_existing_objects_matched()
            if whole:
                status.assert_consumed()
            else:
                status.expect_partial()
        except (AssertionError, ValueError, tf.errors.OpError):
            raise ChatbotError(
                f"{self.path / checkpoint.name} does not fit the sizes in "
                f"{self.path / 'config.json'}; restore that file or train again"
            ) from None

    def mark_finished(self, step: int, reason: str) -> None:
        """Notes that the training has nothing left to do."""
        write_json(self._finished_path, {"step": step, "reason": reason})

    def unmark_finished(self) -> None:
        """Takes the note of `mark_finished` back."""
        self._finished_path.unlink(missing_ok=True)

    def finished(self) -> dict[str, Any] | None:
        """Returns the note of `mark_finished`, or None."""
        return read_json(self._finished_path) if self._finished_path.exists() else None


def _unwritable(path: Path, error: Exception) -> ChatbotError:
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return ChatbotError(
        f"{path} cannot be written ({reason}); free space or name another directory"
    )
