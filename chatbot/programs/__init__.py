"""The programs: what they are called, their flags, and how each is run."""

from __future__ import annotations

import importlib
from typing import NoReturn

from chatbot.programs import flags

PROGRAMS = {
    "train": "trains a chatbot on a corpus of dialogues",
    "predict": "talks as a trained chatbot, on the terminal or through a pipe",
    "serve": "serves chatbots over HTTP: a page, and OpenAI's chat interface",
    "evaluate": "measures chatbots on a corpus: perplexity, BLEU, variety, speed",
    "export": "writes a chatbot for elsewhere: ONNX, TensorFlow Serving, TFLite",
}
"""{name: what it does, in one line}."""


def run_program(name: str) -> NoReturn:
    """Runs a program with the command line in `sys.argv`.

    Args:
        name: One of `PROGRAMS`.

    Raises:
        SystemExit: Always, with the exit status.
    """
    program = importlib.import_module(f"chatbot.programs.{name}")
    flags.run(program.main, program.PURPOSE, program.define_flags)
