"""Programs on a terminal of their own."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

from tests.helpers_chat import ROOT


class Terminal:
    """predict.py on a terminal of its own."""

    def __init__(self, model_dir: Path, home: Path, *flags: str) -> None:
        self.shown = b""
        self.process, self.keyboard = pty.fork()
        if self.process == 0:
            os.chdir(ROOT)
            variables = {"TERM": "xterm", "HOME": str(home), "PROMPT_TOOLKIT_NO_CPR": "1"}
            environment = {**os.environ, **variables, "XDG_STATE_HOME": ""}
            program = [sys.executable, "predict.py", f"--model_dir={model_dir}", *flags]
            os.execve(sys.executable, program, environment)

    def type(self, keys: bytes) -> None:
        os.write(self.keyboard, keys)

    def wait_for(self, text: bytes, seconds: float = 30) -> bytes:
        """Reads until a text is shown; returns what was up to there, since the last call."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < end, self.shown
            if select.select([self.keyboard], [], [], 0.1)[0]:
                self.shown += os.read(self.keyboard, 1 << 16)
        before, found, self.shown = self.shown.partition(text)
        return before + found

    def wait(self, seconds: float = 30) -> int:
        """Returns the exit status."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.keyboard], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):  # the program has closed its side
                    self.shown += os.read(self.keyboard, 1 << 16)
            ended, status = os.waitpid(self.process, os.WNOHANG)
            if ended:
                self.process = 0
                return os.waitstatus_to_exitcode(status)
        raise TimeoutError(self.shown)

    def close(self) -> None:
        """Ends the program if it still runs."""
        if self.process:
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
        os.close(self.keyboard)
