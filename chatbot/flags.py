"""Command line flags made from the settings, and settings made back from the flags."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NoReturn, cast

from absl import app, flags

from chatbot.config import SECTIONS, Config
from chatbot.errors import ChatbotError
from chatbot.settings import Settings

FLAGS = flags.FLAGS
_REPEATED = ";\n    repeat this option to specify a list of values"  # absl adds it to the help
_SHOWN: dict[str, list[str]] = {}
"""{heading: names of its flags}, in the order in which `--help` shows them."""


def define_settings(heading: str, kind: type[Settings]) -> None:
    """Defines a flag for each setting of a section, with its range as a validator.

    Args:
        heading: Title of the section in `--help`.
        kind: The section's dataclass.
    """
    for item in fields(kind):
        limits, default = item.metadata, cast(Any, item.default)
        if limits["choices"] is not None:
            flags.DEFINE_enum(item.name, default, limits["choices"], limits["help"])
        elif isinstance(default, bool):
            flags.DEFINE_boolean(item.name, default, limits["help"])
        elif isinstance(default, int):
            flags.DEFINE_integer(item.name, default, limits["help"], limits["low"], limits["high"])
        elif isinstance(default, float):
            flags.DEFINE_float(item.name, default, limits["help"], limits["low"], limits["high"])
        else:
            flags.DEFINE_string(item.name, default, limits["help"])
        show(heading, item.name)


def show(heading: str, *names: str) -> None:
    """Puts flags under a heading of `--help`.

    Args:
        heading: The heading; a new one comes last.
        *names: The flags' names.
    """
    _SHOWN.setdefault(heading, []).extend(names)


def given_settings(*kinds: type[Settings]) -> dict[str, Any]:
    """Returns {setting: value} for those that the command line or a flag file names.

    Args:
        *kinds: The sections to look at; none means all.
    """
    names = {item.name for kind in kinds or SECTIONS.values() for item in fields(kind)}
    return {name: FLAGS[name].value for name in names & set(FLAGS) if FLAGS[name].present}


def settings_from_flags() -> Config:
    """Returns the settings that the command line asks for, defaults where it is silent.

    Raises:
        ChatbotError: A value does not fit.
    """
    return Config().replace(given_settings())


def run(main: Callable[[Sequence[str]], int], purpose: str) -> NoReturn:
    """Parses the command line and runs a program; whatever a person can fix ends with status 2.

    Args:
        main: Takes what is left of the command line and returns the exit status.
        purpose: What the program does, for `--help`.
    """

    def guarded(rest: Sequence[str]) -> int:
        try:
            if len(rest) > 1:
                raise ChatbotError(f"{rest[1]!r} is not a flag; flags look like --name=value")
            return main(rest)
        except ChatbotError as error:
            print(f"{_program()}: {error}", file=sys.stderr)
            return 2

    app.run(guarded, flags_parser=lambda arguments: _parse(arguments, purpose))
    raise SystemExit(0)


def _parse(arguments: Sequence[str], purpose: str) -> list[str]:
    """Parses the flags; help ends with status 0, a mistake with 2 and one line."""
    if any(a in ("--help", "-help", "-h", "--helpfull", "--helpshort") for a in arguments[1:]):
        print(describe(purpose))
        sys.exit(0)
    try:
        return list(FLAGS(list(arguments)))
    except (flags.Error, UnicodeDecodeError) as error:
        message = " ".join(str(error).split())
        print(f"{_program()}: {message}; see --help", file=sys.stderr)
        sys.exit(2)


def describe(purpose: str) -> str:
    """Writes the text of `--help`.

    Args:
        purpose: What the program does.

    Returns:
        The text, as wide as the terminal, at most 100 columns.
    """
    width = min(100, shutil.get_terminal_size().columns)
    lines = [*textwrap.wrap(purpose, width), "", f"usage: python {_program()} [--flag=value ...]"]
    for heading, names in _SHOWN.items():
        lines += ["", f"{heading}:"]
        for name in names:
            lines.append(f"  {_spell(name)}")
            lines += textwrap.wrap(
                (FLAGS[name].help or "").removesuffix(_REPEATED),
                width,
                initial_indent=" " * 6,
                subsequent_indent=" " * 6,
            )
    lines += ["", "  --flagfile=FILE", "      Read flags from a file, one a line."]
    return "\n".join(lines)


def _spell(name: str) -> str:
    """Writes a flag with its default, as one would type it."""
    flag = FLAGS[name]
    if flag.boolean:
        return f"--[no]{name}" + (
            f"  (default: {str(flag.default).lower()})" if _known(flag) else ""
        )
    choices = getattr(flag.parser, "enum_values", None)
    value = (
        "|".join(choices)
        if choices
        else {"int": "N", "float": "X"}.get(flag.parser.flag_type(), "TEXT")
    )
    default = ", ".join(flag.default) if isinstance(flag.default, list) else flag.default
    return f"--{name}={value}" + (f"  (default: {default})" if _known(flag) else "")


def _known(flag: Any) -> bool:
    return flag.default not in (None, "", [])


def _program() -> str:
    return sys.argv[0].rpartition("/")[2]
