"""Flag files: people's own, by their paths, and the bundled ones, by their names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from chatbot.errors import ChatbotError
from chatbot.system import paths

_FLAG_FILE = re.compile(r"--?flagfile(?:=(.*))?", re.DOTALL)
_PROJECT_PATH = re.compile(r"(--\w+=)((?:data|model)/.+)")


def expand_flag_files(arguments: Sequence[str], reading: tuple[str, ...] = ()) -> list[str]:
    """Replaces every `--flagfile`, in flag files too, by the lines of the file, as absl does.

    The lines of bundled files come first, wherever they are named: whatever else is given counts
    more than they do.

    Args:
        arguments: What follows a program's name, or the lines of a flag file.
        reading: The files that the lines come from, outermost first.

    Raises:
        ChatbotError: A file cannot be read, or reads itself.
        UnicodeDecodeError: A file is not UTF-8.
    """
    expanded: list[str] = []
    bundled: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        found = _FLAG_FILE.fullmatch(argument)
        if argument == "--":
            return [*bundled, *expanded, argument, *rest]
        if found is None:
            expanded.append(argument)
        elif name := _take_name(found, rest):
            stem = name.removesuffix(".flags")
            if stem in list_bundled() and (os.path.isdir(name) or not os.path.exists(name)):
                bundled += read_bundled(stem)
            else:
                expanded += _read_file(name, reading)
    return [*bundled, *expanded]


def list_bundled() -> list[str]:
    """Returns the names of the bundled flag files."""
    return sorted(path.stem for path in (paths.PROJECT / "data").glob("*.flags"))


def read_bundled(name: str) -> list[str]:
    """Returns the lines of a bundled flag file, with its paths led to the project."""
    text = (paths.PROJECT / "data" / f"{name}.flags").read_text(encoding="utf-8")
    lines = [_PROJECT_PATH.sub(_place_in_project, line) for line in text.split("\n")]
    return expand_flag_files(_strip(lines))


def _place_in_project(found: re.Match[str]) -> str:
    return found[1] + paths.find_in_project(found[2])


def _take_name(found: re.Match[str], rest: Iterator[str]) -> str:
    name = found[1] if found[1] is not None else next(rest, None)
    if name is None:
        raise ChatbotError("--flagfile names no file; give one, as --flagfile=FILE")
    try:
        return paths.local_path(name.strip())
    except ChatbotError as error:
        raise ChatbotError(f"--flagfile={error}") from None


def _read_file(name: str, reading: tuple[str, ...]) -> list[str]:
    if os.path.realpath(name) in reading:
        raise ChatbotError(f"--flagfile={name}: the file names itself; take that line out")
    try:
        lines = Path(name).read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise ChatbotError(
            f"--flagfile={name} cannot be read ({error.strerror}); give a file, or one of the "
            f"bundled {', '.join(list_bundled())}"
        ) from None
    return expand_flag_files(_strip(lines), (*reading, os.path.realpath(name)))


def _strip(lines: Sequence[str]) -> list[str]:
    stripped = [line.strip() for line in lines]
    return [line for line in stripped if line and not line.startswith(("#", "//"))]
