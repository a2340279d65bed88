"""The text of `--help`."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from chatbot.programs.flag_files import list_bundled
from chatbot.programs.launch import program_name

_ADDED = re.compile(r"^<[^>]*>: |;\n    repeat this option to specify a list of values$")
"""What absl adds to the help of flags that have choices, and of those that take several values."""
_PLACEHOLDERS = {"int": "N", "float": "X", "path": "PATH"}


def describe(purpose: str, shown: Mapping[str, Sequence[str]]) -> str:
    """Returns the text of `--help`, as wide as the terminal but at most 100 columns.

    Args:
        purpose: What the program does.
        shown: {heading: names of its flags}.
    """
    width = min(100, shutil.get_terminal_size().columns)
    lines = [*textwrap.wrap(purpose, width), "", f"usage: {_find_command()} [--flag=value ...]"]
    for heading, names in shown.items():
        lines += ["", f"{heading}:"]
        for name in names:
            lines += _break(f"  {_spell(name)}", width)
            lines += _indent(_ADDED.sub("", flags.FLAGS[name].help or ""), width)
    bundled = ", ".join(list_bundled())
    lines += ["", "  --flagfile=FILE"]
    lines += _indent(f"Read flags from a file, one a line. Bundled are {bundled}.", width)
    lines += ["  --version", "      Print the version."]
    return "\n".join(lines)


def _find_command() -> str:
    """Returns how the program was started, for one line of usage."""
    name = program_name()
    if not name.endswith(".py"):
        return name
    module = getattr(sys.modules["__main__"], "__spec__", None)  # None of a script
    return f"python {name}" if module is None else f"python -m {module.name}"


def _indent(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6)


def _break(line: str, width: int) -> list[str]:
    """Breaks a line that is too long after one of its choices."""
    end = line.rfind("|", 0, width) + 1
    if len(line) <= width or not end:
        return [line]
    return [line[:end], *_break(" " * 6 + line[end:], width)]


def _spell(name: str) -> str:
    """Writes a flag as one would type it, with its default."""
    flag = flags.FLAGS[name]
    if flag.boolean:
        return f"--[no]{name}" + (
            f"  (default: {str(flag.default).lower()})" if _known(flag) else ""
        )
    choices = getattr(flag.parser, "enum_values", None)
    value = (
        "|".join(choices)
        if choices
        else _PLACEHOLDERS.get(flag.parser.flag_type().removeprefix("multi "), "TEXT")
    )
    default = ", ".join(flag.default) if isinstance(flag.default, list) else flag.default
    return f"--{name}={value}" + (f"  (default: {default})" if _known(flag) else "")


def _known(flag: Any) -> bool:
    return flag.default not in (None, "", [])
