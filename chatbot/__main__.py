"""The programs by their names: python -m chatbot train, or chatbot train where it is installed."""

from __future__ import annotations

import sys
from typing import NoReturn

from chatbot import __version__
from chatbot.errors import ChatbotError
from chatbot.programs import PROGRAMS, run_program
from chatbot.programs.launch import HELP, launch
from chatbot.system.terminal import write_output


def main() -> NoReturn:
    """Runs the program that the first argument names, or says which there are."""
    command = "python -m chatbot" if sys.argv[0].endswith("__main__.py") else "chatbot"
    name, *arguments = sys.argv[1:] or [""]
    if name in PROGRAMS:
        sys.argv = [f"{command} {name}", *arguments]
        run_program(name)
    sys.argv[0] = command
    launch(lambda: _introduce(command, name))


def _introduce(command: str, name: str) -> int:
    if name == "--version":
        write_output(f"chatbot {__version__}\n")
    elif name in HELP:
        write_output(f"usage: {command} PROGRAM [--flag=value ...]\n\n")
        write_output("".join(f"  {name:10}{what}\n" for name, what in PROGRAMS.items()))
        write_output(f"\n{command} PROGRAM --help lists the program's flags.\n")
    else:
        mistake = f"{name!r} is not a program" if name else "no program is named"
        raise ChatbotError(f"{mistake}; choose one of {', '.join(PROGRAMS)}")
    return 0


if __name__ == "__main__":
    main()
