"""Command line flags made from the settings, and settings made back from the flags."""

from __future__ import annotations

import faulthandler
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NoReturn, cast

from absl import flags, logging

from chatbot.errors import ChatbotError
from chatbot.settings.config import SECTIONS, Config
from chatbot.settings.fields import Settings
from chatbot.system.notices import silence
from chatbot.system.paths import local_path
from chatbot.system.terminal import (
    flush_output,
    make_visible,
    run_politely,
    settle_streams,
    write_output,
)

FLAGS = flags.FLAGS
_ADDED = re.compile(r"^<[^>]*>: |;\n    repeat this option to specify a list of values$")
"""What absl adds to the help of a flag with choices, and of one that may be given several times."""
_SERIALIZER = flags.ArgumentSerializer[str]()
_PLACEHOLDERS = {"int": "N", "float": "X", "path": "PATH"}
_HELP = {"--help", "-help", "-h", "--helpfull", "--helpshort"}
_OWN: set[str] = set()
"""Names of the flags that the program now running has defined."""
_SHOWN: dict[str, list[str]] = {}
"""{heading: names of its flags}, in the order in which `--help` shows them."""


class _PathParser(flags.ArgumentParser):  # type: ignore[type-arg]
    """Reads the path that a flag is given."""

    syntactic_help = "a path"

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def parse(self, argument: str) -> str:
        """Writes the path out; see `local_path`."""
        try:
            return local_path(argument)
        except ChatbotError as error:
            raise ChatbotError(f"--{self._name}={error}") from None

    def flag_type(self) -> str:
        """Names the type."""
        return "path"


def define_path(name: str, default: str, description: str) -> None:
    """Defines a flag that takes a path.

    Args:
        name: Its name.
        default: Its value if nobody says otherwise.
        description: One sentence for `--help`.
    """
    flags.DEFINE(_PathParser(name), name, default, description, serializer=_SERIALIZER)


def define_paths(name: str, default: Sequence[str], description: str) -> None:
    """Defines a flag that takes a path each time it is given; see `define_path`."""
    flags.DEFINE_multi(_PathParser(name), _SERIALIZER, name, default, description)


def define_settings(heading: str, kind: type[Settings], *names: str) -> None:
    """Defines a flag for each setting of a section, with its range as a validator.

    Args:
        heading: Title of the section in `--help`.
        kind: The section's dataclass.
        *names: The settings to define flags for; none means all.
    """
    for item in fields(kind):
        if names and item.name not in names:
            continue
        limits, default = item.metadata, cast(Any, item.default)
        if limits["choices"] is not None:
            flags.DEFINE_enum(item.name, default, limits["choices"], limits["help"])
        elif limits["is_path"]:
            define_path(item.name, default, limits["help"])
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


def run(
    main: Callable[[Sequence[str]], int], purpose: str, define_flags: Callable[[], None]
) -> NoReturn:
    """Parses the command line and runs a program; whatever a person can fix ends with status 2.

    A notebook may run programs one after the other in one process.

    Args:
        main: Takes what is left of the command line and returns the exit status.
        purpose: What the program does, for `--help`.
        define_flags: Defines the program's flags.

    Raises:
        SystemExit: Always, with the exit status; see `run_politely`.
    """
    settle_streams()
    faulthandler.enable(2)  # a crash in C++ says where Python was
    logging.use_absl_handler()

    def work() -> int:
        try:
            _define_anew(define_flags)
            if _HELP.intersection(sys.argv[1:]):
                write_output(f"{describe(purpose)}\n")
                return 0
            status = main(parse(sys.argv))
            flush_output()
            return status
        except ChatbotError as error:
            silence()  # TensorFlow may have more to say, but this is the line to read
            print(f"{_program()}: {make_visible(str(error))}", file=sys.stderr)
            return 2

    raise SystemExit(run_politely(work))


def _define_anew(define_flags: Callable[[], None]) -> None:
    """Defines a program's flags in place of those that the last one had, and of its values."""
    for name in _OWN:
        delattr(FLAGS, name)
    _OWN.clear()
    _SHOWN.clear()
    _forget_values()
    before = set(FLAGS)
    define_flags()
    _OWN.update(set(FLAGS) - before)


def _forget_values() -> None:
    for name in FLAGS:
        if FLAGS[name].present:
            FLAGS[name].unparse()


def parse(arguments: Sequence[str]) -> list[str]:
    """Gives the flags the values of a command line, and of none before it.

    Args:
        arguments: The program's name and what follows it.

    Returns:
        The program's name.

    Raises:
        ChatbotError: There is a mistake in it.
    """
    _forget_values()
    try:
        rest = FLAGS(list(arguments))
    except UnicodeDecodeError:
        raise ChatbotError("a file of --flagfile is not UTF-8; save it as UTF-8") from None
    except (flags.Error, ValueError, OSError) as error:
        raise ChatbotError(f"{' '.join(str(error).split())}; see --help") from None
    if len(rest) > 1:
        raise ChatbotError(f"{rest[1]!r} is not a flag; flags look like --name=value")
    return rest


def describe(purpose: str) -> str:
    """Writes the text of `--help`.

    Args:
        purpose: What the program does.

    Returns:
        The text, as wide as the terminal, at most 100 columns.
    """
    width = min(100, shutil.get_terminal_size().columns)
    module = getattr(sys.modules["__main__"], "__spec__", None)  # None of a script
    if module is not None and module.name != "chatbot.__main__":
        command = f"python -m {module.name}"
    else:
        command = f"python {_program()}" if _program().endswith(".py") else _program()
    lines = [*textwrap.wrap(purpose, width), "", f"usage: {command} [--flag=value ...]"]
    for heading, names in _SHOWN.items():
        lines += ["", f"{heading}:"]
        for name in names:
            lines += _break(f"  {_spell(name)}", width)
            lines += textwrap.wrap(
                _ADDED.sub("", FLAGS[name].help or ""),
                width,
                initial_indent=" " * 6,
                subsequent_indent=" " * 6,
            )
    lines += ["", "  --flagfile=FILE", "      Read flags from a file, one a line."]
    return "\n".join(lines)


def _break(line: str, width: int) -> list[str]:
    """Breaks a line behind one of its choices where it is too long."""
    end = line.rfind("|", 0, width) + 1
    if len(line) <= width or not end:
        return [line]
    return [line[:end], *_break(" " * 6 + line[end:], width)]


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
        else _PLACEHOLDERS.get(flag.parser.flag_type().removeprefix("multi "), "TEXT")
    )
    default = ", ".join(flag.default) if isinstance(flag.default, list) else flag.default
    return f"--{name}={value}" + (f"  (default: {default})" if _known(flag) else "")


def _known(flag: Any) -> bool:
    return flag.default not in (None, "", [])


def _program() -> str:
    return sys.argv[0].rpartition("/")[2]
