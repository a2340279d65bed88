"""What every program does around its work: it settles the streams and explains mistakes."""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Callable
from typing import NoReturn

from absl import logging

from chatbot.errors import ChatbotError
from chatbot.system.terminal import flush_output, make_visible, run_politely, settle_streams

HELP = {"--help", "-help", "-h", "--helpfull", "--helpshort"}


def launch(work: Callable[[], int]) -> NoReturn:
    """Does a program's work and ends the process.

    Args:
        work: Returns the exit status; a `ChatbotError` becomes one line and status 2.

    Raises:
        SystemExit: Always, with the exit status; see `run_politely`.
    """
    settle_streams()
    faulthandler.enable(2)  # a crash in C++ says where Python was
    logging.use_absl_handler()

    def work_and_explain() -> int:
        try:
            status = work()
            flush_output()
            return status
        except ChatbotError as error:
            sys.stderr.write(f"{program_name()}: {make_visible(str(error))}\n")
            return 2

    raise SystemExit(run_politely(work_and_explain))


def program_name() -> str:
    """Returns the program's name, without the directory it lies in."""
    return sys.argv[0].rpartition("/")[2]
