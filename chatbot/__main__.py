"""The programs by their names: python -m chatbot train, or chatbot train where it is installed."""

from __future__ import annotations

import sys

from chatbot.programs import PROGRAMS, run_program


def main() -> int:
    """Runs the program that the first argument names.

    Returns:
        2 where it names none; else the program ends the process.
    """
    command = "python -m chatbot" if sys.argv[0].endswith("__main__.py") else "chatbot"
    usage = f"usage: {command} {{{'|'.join(PROGRAMS)}}} [--flag=value ...]"
    if len(sys.argv) > 1 and sys.argv[1] in PROGRAMS:
        name = sys.argv[1]
        sys.argv = [f"{command} {name}", *sys.argv[2:]]
        run_program(name)
    if sys.argv[1:] in (["--help"], ["-h"]):
        sys.stdout.write(f"{usage}\n")
        return 0
    sys.stderr.write(f"{usage}\n")
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
