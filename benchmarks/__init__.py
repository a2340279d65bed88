"""How fast the chatbot is, beside what the machine can do in the same run."""

from __future__ import annotations

import importlib
import sys

from chatbot.system.notices import hushed


def load_tensorflow() -> None:
    """Imports TensorFlow, whose notices would be taken for results."""
    with hushed():
        importlib.import_module("tensorflow")


# Started as programs, all but one import it before they read their flags.
if sys.argv[0] == "-m" and "benchmarks.starting" not in sys.orig_argv:
    load_tensorflow()
