"""Checkpoints that are whole or absent, with an index that says what each file must be.

A checkpoint counts once `checkpoints.json` names it, and that file is replaced in one step after
the checkpoint's own files are on the disk.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from chatbot.errors import ChatbotError
from chatbot.system.files import flush_to_disk, hash_file, plain_path, read_json, write_json
from chatbot.system.paths import local_path

if TYPE_CHECKING:
    import tensorflow as tf

LOGGER = logging.getLogger("chatbot")
PathLike = str | os.PathLike[str]
Result = TypeVar("Result")
KEPT = 2
"""Newest checkpoints kept besides the best one."""


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint on disk.

    Attributes:
        name: Prefix of its files.
        step: Training steps behind it.
        files: {file name: [bytes, SHA-256]}.
        progress: What the training loop needs to go on from here.
        validation_perplexity: What was measured here, on unseen pairs if there are any, or None.
    """

    name: str
    step: int
    files: dict[str, tuple[int, str]]
    progress: dict[str, Any] = field(default_factory=dict)
    validation_perplexity: float | None = None


def readable(method: Callable[..., Result]) -> Callable[..., Result]:
    """Makes a method say in one line that its directory cannot be read."""

    @functools.wraps(method)
    def guarded(self: CheckpointStore) -> Result:
        try:
            return method(self)
        except OSError as error:
            raise ChatbotError(
                f"{self.path} cannot be read ({error.strerror}); mend its permissions"
            ) from None

    return guarded


class CheckpointStore:
    """Reads and writes the checkpoints of a directory.

    Attributes:
        path: The directory.
    """

    def __init__(self, path: PathLike) -> None:
        """Points at a directory, which need not exist yet.

        Raises:
            ChatbotError: It is no path on this machine.
        """
        self.path = Path(local_path(path))

    def checkpoints(self) -> list[Checkpoint]:
        """Returns the kept checkpoints, the oldest first.

        Raises:
            ChatbotError: Their index is missing or damaged.
        """
        path = self.path / "checkpoints.json"
        try:
            return [_read_entry(entry) for entry in read_json(path)["checkpoints"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ChatbotError(
                f"{path} is damaged; restore it from a copy or train again"
            ) from None

    def newest(self) -> Checkpoint | None:
        """Returns the newest whole checkpoint, or None before the first; logs any that is damaged.

        Raises:
            ChatbotError: Every one is damaged.
        """
        return self._first_whole([*reversed(self.checkpoints())])

    def best(self) -> Checkpoint | None:
        """Returns the one of the lowest `validation_perplexity`, else as `newest` does."""
        return self._first_whole(_sort_best(self.checkpoints()))

    def find_best_entry(self) -> Checkpoint | None:
        """Returns what `best` returns where no file is damaged, and reads none."""
        return next(iter(_sort_best(self.checkpoints())), None)

    @readable
    def has_checkpoints(self) -> bool:
        """Tells whether this was ever a place for checkpoints; an exported model is none."""
        return (self.path / "checkpoints.json").exists() or any(self.path.glob("*.data-*"))

    def _first_whole(self, candidates: Sequence[Checkpoint]) -> Checkpoint | None:
        for candidate in candidates:
            damage = self._find_damage(candidate)
            if damage is None:
                return candidate
            LOGGER.warning("skipping checkpoint %s: %s", candidate.name, damage)
        if candidates:
            raise ChatbotError(
                f"every checkpoint in {self.path} is damaged; restore one from a copy, or train "
                "again with another --model_dir"
            )
        return None

    def _find_damage(self, checkpoint: Checkpoint) -> str | None:
        """Returns what is wrong with a checkpoint's files, or None."""
        for name, (size, digest) in checkpoint.files.items():
            path = self.path / name
            try:
                if path.stat().st_size != size or hash_file(path) != digest:
                    return f"{path} is damaged"
            except FileNotFoundError:
                return f"{path} is missing"
            except OSError as error:
                return f"{path} cannot be read ({error.strerror})"
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
            step: See `Checkpoint`, as for the others.
            progress: JSON values.
            validation_perplexity: A number or None.

        Raises:
            ChatbotError: It could not be written; the earlier ones are untouched.
        """
        import tensorflow as tf

        name = f"{prefix}-{step}"
        aside = self.path / ".writing"
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            with plain_path(aside) as place:
                tracked.write(f"{place}/{name}")
            files = {}
            for path in sorted(aside.iterdir()):
                flush_to_disk(path)
                files[path.name] = (path.stat().st_size, hash_file(path))
                os.replace(path, self.path / path.name)
            aside.rmdir()
            flush_to_disk(self.path)
            made = Checkpoint(name, step, files, progress, validation_perplexity)
            self._remember(made)
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise unwritable(self.path, error) from None
        return made

    def _remember(self, made: Checkpoint) -> None:
        """Adds a checkpoint to the index and deletes what is no longer kept."""
        before = self.checkpoints()
        # Later ones are damaged, or the training would have gone on from them.
        everything = [c for c in before if c.step < made.step] + [made]
        best = _sort_measured(everything)[:1]
        kept = [c for c in everything if c in everything[-KEPT:] or c in best]
        self._write_index(kept)
        needed = {name for c in kept for name in c.files}
        dropped = {name for c in before for name in c.files} | self._list_files(made)
        for name in dropped - needed:
            (self.path / name).unlink(missing_ok=True)

    def forget_perplexities(self) -> None:
        """Forgets what was measured, where from now on something else is measured."""
        kept = (dataclasses.replace(c, validation_perplexity=None) for c in self.checkpoints())
        self._write_index(kept)

    def _write_index(self, kept: Iterable[Checkpoint]) -> None:
        entries = [dataclasses.asdict(c) for c in kept]
        write_json(self.path / "checkpoints.json", {"checkpoints": entries})

    def _list_files(self, made: Checkpoint) -> set[str]:
        """Lists every checkpoint's files; a process killed here leaves some that no index names."""
        prefix = re.escape(made.name[: -len(str(made.step))])
        form = re.compile(prefix + r"\d+\.(index|data-\d{5}-of-\d{5})")
        return {path.name for path in self.path.iterdir() if form.fullmatch(path.name)}

    def restore(self, tracked: tf.train.Checkpoint, checkpoint: Checkpoint, whole: bool) -> None:
        """Loads a checkpoint into variables that exist already.

        Args:
            tracked: What to load into.
            checkpoint: What to load.
            whole: Whether everything in the checkpoint must have found its place, as in training;
                a chat leaves the optimizer's slots aside.

        Raises:
            ChatbotError: The checkpoint does not fit the variables, or cannot be read.
        """
        import tensorflow as tf

        tf.get_logger().addFilter(_is_news)
        name = self.path / checkpoint.name
        try:
            with plain_path(self.path) as place:
                status = tracked.read(f"{place}/{checkpoint.name}")
            status.assert_existing_objects_matched()
            if whole:
                status.assert_consumed()
            else:
                status.expect_partial()
        except (AssertionError, ValueError, tf.errors.InvalidArgumentError):
            raise ChatbotError(
                f"{name} does not fit the sizes in {self.path / 'config.json'}; restore that file "
                "or train again"
            ) from None
        except (OSError, tf.errors.OpError) as error:
            raise ChatbotError(
                f"{name} cannot be read ({_find_reason(error)}); mend that, or restore its files"
            ) from None


def _sort_measured(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    measured = [c for c in checkpoints if c.validation_perplexity is not None]
    return sorted(measured, key=lambda c: c.validation_perplexity or 0.0)


def _sort_best(checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Puts the best first, those that were not measured last, the newest of them first."""
    others = [c for c in reversed(checkpoints) if c.validation_perplexity is None]
    return _sort_measured(checkpoints) + others


def _is_news(record: logging.LogRecord) -> bool:
    """Drops TensorFlow's list of what is left over of a checkpoint that did not fit."""
    leftover = "Detecting that an object or model|Value in checkpoint could not be found"
    return re.match(leftover, record.getMessage()) is None


def _read_entry(entry: Mapping[str, Any]) -> Checkpoint:
    """Builds a checkpoint, whose files lie in the directory itself, from its entry in the index.

    Raises:
        ValueError: A value is of the wrong kind; TypeError and AttributeError say the same.
    """
    made = Checkpoint(**entry)
    files = {name: (size, digest) for name, (size, digest) in made.files.items()}
    numbers = [made.step, *(size for size, _ in files.values())]
    texts = [made.name, *(digest for _, digest in files.values())]
    if (
        not all(type(number) is int for number in numbers)
        or not all(isinstance(text, str) for text in texts)
        or not isinstance(entry.get("progress", {}), dict)
        or not isinstance(entry.get("validation_perplexity"), (int, float, type(None)))
        or f"{made.name}.index" not in files
        or any("/" in name or not name.startswith(f"{made.name}.") for name in files)
    ):
        raise ValueError("not the entry of a checkpoint")
    return dataclasses.replace(made, files=files)


def unwritable(path: Path, error: Exception) -> ChatbotError:
    """Makes the error of a directory that cannot be written, with the system's reason."""
    return ChatbotError(
        f"{path} cannot be written ({_find_reason(error)}); free space or name another directory"
    )


def _find_reason(error: Exception) -> str:
    # TensorFlow adds its operation and the name that `plain_path` gave the file.
    first = re.sub(r" \[Op:\w+\]$|/proc/self/fd/\d+/", "", str(error).split("\n")[0])
    return getattr(error, "strerror", None) or first.split("; ")[-1]
