"""The files of a corpus: found in a directory or a zip, opened for reading, never unpacked."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from chatbot.corpus.packed import DAMAGED, MAX_RATIO, SMALL, strip_suffix, unpack
from chatbot.errors import ChatbotError
from chatbot.settings.read_options import AS_FOUND, ReadOptions

HELD_OUT = "held_out"
"""A directory of this name in a corpus is there to measure with, and never learned."""

_ZIP_START = b"PK\x03\x04"
_DAMAGED = (zipfile.BadZipFile, *DAMAGED)


@dataclass(frozen=True)
class Source:
    """One text of a corpus.

    Attributes:
        path: The file on the disk: the text itself, or the zip that holds it.
        member: Its name in the zip, "" outside of one.
        size: Its bytes as far as they are known: in a zip unpacked, of a .gz, .bz2 or .xz packed.
        options: How it is to be read.
    """

    path: Path
    member: str = ""
    size: int = 0
    options: ReadOptions = AS_FOUND

    @property
    def name(self) -> str:
        """Its name in messages: on one line, whatever it is."""
        return make_printable(f"{self.path}/{self.member}" if self.member else str(self.path))

    @property
    def depth(self) -> int:
        """The number of directories it is in, for comparison within one corpus."""
        return len(self.path.parts) + len(PurePosixPath(self.member).parts)

    @property
    def file_name(self) -> str:
        """Its last name, without directories and without the .gz, .bz2 or .xz it is packed in."""
        return strip_suffix(PurePosixPath(self.member).name if self.member else self.path.name)


def make_printable(text: str) -> str:
    """Replaces what a terminal might obey, or cannot show, by question marks."""
    return "".join(character if character.isprintable() else "?" for character in text)


def find_sources(
    path: Path, reads: Callable[[str], bool], options: ReadOptions = AS_FOUND
) -> list[Source]:
    """Lists the texts of a corpus, sorted by path.

    Args:
        path: A text file, which is taken whatever its name; a zip; or a directory, searched with
            all below it. Hidden files, and directories named `HELD_OUT`, are passed over.
        reads: Whether a reader wants a file of this name (as `Source.file_name` has it).
        options: How the texts are to be read.

    Raises:
        ChatbotError: There is nothing at the path, it cannot be read, or it is a damaged zip or a
            zip bomb.
    """
    if os.path.isdir(path):
        found = (Source(found, "", found.stat().st_size, options) for found in _walk(path))
        return [source for source in found if reads(source.file_name)]
    check_file(path)
    if not is_zip(path):
        return [Source(path, "", path.stat().st_size, options)]
    return [Source(path, *member, options) for member in _list_members(path, reads)]


def check_file(path: Path) -> None:
    """Checks that a file is there, and one that ends: no pipe, no device.

    Raises:
        ChatbotError: It is not.
    """
    if not os.path.isfile(path):
        problem = "is neither a file nor a directory" if os.path.lexists(path) else "does not exist"
        raise ChatbotError(f"{Source(path).name}: the corpus {problem}; check --corpus")


def is_zip(path: Path) -> bool:
    """Tells whether a file is a zip.

    Raises:
        ChatbotError: It cannot be read, or begins as a zip and does not end as one.
    """
    with _explaining(Source(path)), open(path, "rb") as file:
        start = file.read(len(_ZIP_START))
    if start != _ZIP_START and path.suffix.lower() != ".zip":
        return False
    if not zipfile.is_zipfile(path):
        raise ChatbotError(f"{Source(path).name}: not a whole zip file; fetch it again")
    return True


@contextmanager
def open_source(source: Source) -> Iterator[IO[bytes]]:
    """Opens a text for reading, and turns what goes wrong while it is open into one line.

    Yields:
        Its bytes, unpacked; `tell` counts those that `Source.size` does.

    Raises:
        ChatbotError: It cannot be read, or it is a bomb.
    """
    with _explaining(source):
        if not source.member:
            with open(source.path, "rb") as file:
                yield unpack(file, source.name, os.fstat(file.fileno()).st_size)
            return
        with zipfile.ZipFile(source.path) as archive, _open_member(archive, source) as member:
            yield unpack(member, source.name, source.size)


@contextmanager
def _explaining(source: Source) -> Iterator[None]:
    try:
        yield
    except (*_DAMAGED, OSError) as error:
        # Only the system numbers its errors: one without a number is a complaint of an unpacker.
        if isinstance(error, OSError) and error.errno is not None:
            reason = error.strerror or str(error)
            cure = f"cannot be read ({reason}); check --corpus"
        else:
            kind = "zip" if source.member else "file"
            cure = f"the {kind} is damaged ({error}); fetch it again"
        raise ChatbotError(f"{source.name}: {cure}") from error


def _open_member(archive: zipfile.ZipFile, source: Source) -> IO[bytes]:
    try:
        return archive.open(source.member)
    except (RuntimeError, NotImplementedError, KeyError) as error:
        raise ChatbotError(
            f"{source.name}: cannot be unpacked ({error}); unpack the zip and give the directory"
        ) from error


def _walk(path: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise ChatbotError(f"{error.filename}: cannot be read ({error.strerror}); check --corpus")

    found = []
    for directory, folders, files in os.walk(path, onerror=refuse):
        folders[:] = [folder for folder in folders if not _is_passed_over(folder)]
        found += [Path(directory, file) for file in files if not _is_hidden(file)]
    # A pipe or a device among them would never end.
    return (file for file in sorted(found) if file.is_file())


def _list_members(path: Path, reads: Callable[[str], bool]) -> list[tuple[str, int]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (*_DAMAGED, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise ChatbotError(
            f"{Source(path).name}: the zip is damaged ({error}); fetch it again"
        ) from error
    chosen = {
        member.filename: member.file_size
        for member in members
        if not member.is_dir() and _is_wanted(member.filename, reads)
    }
    unpacked = sum(chosen.values())
    if unpacked > max(SMALL, MAX_RATIO * path.stat().st_size):
        raise ChatbotError(
            f"{Source(path).name}: the zip would unpack to {unpacked:,} bytes, more than text can "
            "be packed; if you trust it, unpack it and give the directory"
        )
    return sorted(chosen.items())


def _is_wanted(member: str, reads: Callable[[str], bool]) -> bool:
    parts = PurePosixPath(member).parts
    if not parts or _is_hidden(parts[-1]) or any(map(_is_passed_over, parts[:-1])):
        return False
    return reads(strip_suffix(parts[-1]))


def _is_passed_over(folder: str) -> bool:
    return _is_hidden(folder) or folder == HELD_OUT


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
