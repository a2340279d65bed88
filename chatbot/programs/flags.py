"""Command line flags made from the settings, and settings read back from the flags."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NoReturn, cast

from absl import flags

from chatbot import __version__
from chatbot.errors import ChatbotError
from chatbot.programs.flag_files import expand_flag_files
from chatbot.programs.help import describe
from chatbot.programs.launch import HELP, launch
from chatbot.settings.config import SECTIONS, Config
from chatbot.settings.fields import Settings
from chatbot.system.paths import local_path
from chatbot.system.terminal import write_output

FLAGS = flags.FLAGS
_SERIALIZER = flags.ArgumentSerializer[str]()
_OWN: set[str] = set()
"""Names of the flags that the program now running has defined."""
_SHOWN: dict[str, list[str]] = {}
"""{heading: names of its flags}, in the order in which `--help` shows them."""


class _PathParser(flags.ArgumentParser):  # type: ignore[type-arg]
    """Parses a path."""

    syntactic_help = "a path"

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def parse(self, argument: str) -> str:
        """Expands the path; see `local_path`."""
        try:
            return local_path(argument)
        except ChatbotError as error:
            raise ChatbotError(f"--{self._name}={error}") from None

    def flag_type(self) -> str:
        """Names the type."""
        return "path"


def define_path(name: str, default: str, description: str) -> None:
    """Defines a flag that takes a path."""
    flags.DEFINE(_PathParser(name), name, default, description, serializer=_SERIALIZER)


def define_paths(name: str, default: Sequence[str], description: str) -> None:
    """Defines a flag that takes a path each time it is given."""
    flags.DEFINE_multi(_PathParser(name), _SERIALIZER, name, default, description)


def define_settings(heading: str, kind: type[Settings], *names: str) -> None:
    """Defines a flag for each setting of a section, or for those named, with its range.

    Args:
        heading: Where `--help` shows them; see `show`.
        kind: The section's dataclass.
        *names: The settings.
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
    """Puts flags under a heading of `--help`; a new heading comes last."""
    _SHOWN.setdefault(heading, []).extend(names)


def given_settings(*kinds: type[Settings]) -> dict[str, Any]:
    """Returns {setting: value} for those that the command line or a flag file names.

    Args:
        *kinds: The sections; none means all.
    """
    return given_values(
        *{item.name for kind in kinds or SECTIONS.values() for item in fields(kind)}
    )


def given_values(*names: str) -> dict[str, Any]:
    """Returns {flag: value} for those of some flags that the command line or a flag file names."""
    return {name: FLAGS[name].value for name in names if name in FLAGS and FLAGS[name].present}


def settings_from_flags() -> Config:
    """Returns the given settings over the defaults; `ChatbotError` where a value does not fit."""
    return Config().replace(given_settings())


def run(
    main: Callable[[Sequence[str]], int], purpose: str, define_flags: Callable[[], None]
) -> NoReturn:
    """Parses the command line and runs a program; a notebook may run several in one process.

    Args:
        main: Takes the program's name in a list and returns the exit status.
        purpose: What the program does, for `--help`.
        define_flags: Defines the program's flags.

    Raises:
        SystemExit: Always, with the exit status; see `launch`.
    """

    def work() -> int:
        _define_anew(define_flags)
        if HELP.intersection(sys.argv[1:]):
            write_output(f"{describe(purpose, _SHOWN)}\n")
        elif "--version" in sys.argv[1:]:
            write_output(f"chatbot {__version__}\n")
        else:
            return main(parse(sys.argv))
        return 0

    launch(work)


def _define_anew(define_flags: Callable[[], None]) -> None:
    """Defines a program's flags in place of those of the program before, and of their values."""
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
    """Sets the flags from a command line and forgets those of any before.

    Args:
        arguments: The program's name and what follows it.

    Returns:
        The program's name, in a list.

    Raises:
        ChatbotError: The command line has a mistake.
    """
    _forget_values()
    try:
        rest = FLAGS([arguments[0], *expand_flag_files(arguments[1:])])
    except UnicodeDecodeError:
        raise ChatbotError("a file of --flagfile is not UTF-8; save it as UTF-8") from None
    except (flags.Error, ValueError, OSError) as error:
        raise ChatbotError(f"{' '.join(str(error).split())}; see --help") from None
    if len(rest) > 1:
        raise ChatbotError(f"{rest[1]!r} is not a flag; flags look like --name=value")
    return rest
