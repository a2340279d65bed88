"""How fast the chatbot is, beside what the machine can do in the same run."""

from __future__ import annotations

import importlib
import sys

from chatbot.system.notices import hushed

if sys.argv[0] == "-m":  # started as a program, which imports TensorFlow before it reads its flags
    with hushed():
        importlib.import_module("tensorflow")
