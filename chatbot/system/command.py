"""How a program is started, for messages that tell a person what to run next."""

from __future__ import annotations

import os
import shlex
import sys

from chatbot.system import paths


def command(program: str) -> str:
    """Returns the command that starts a program the way the running one was started.

    Args:
        program: The program's name: "train", "predict", "evaluate".

    Returns:
        `chatbot train`, `python train.py` with its path, or `python -m chatbot train`, also when
        the running program is not one of ours.
    """
    started = sys.argv[0]
    if started.startswith(("chatbot ", "python -m chatbot ")):  # __main__ has put it so
        return f"{started.rpartition(' ')[0]} {program}"
    directory = os.path.dirname(started)
    if paths.IS_CHECKOUT and os.path.realpath(directory) == os.path.realpath(paths.PROJECT):
        return f"python {shlex.quote(os.path.join(directory, f'{program}.py'))}"
    return f"python -m chatbot {program}"
