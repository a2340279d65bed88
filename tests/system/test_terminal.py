from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.system.terminal import count_columns, make_visible, pad_columns, run_politely
from tests.helpers_chat import ROOT

CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))


@given(st.text() | st.text(CONTROLS + "\u202e\u200d\ud800\U000e0041a"))
def test_no_control_character_stays(text: str) -> None:
    visible = make_visible(text)
    assert len(visible) == len(text)
    assert not set(visible) & set(CONTROLS + "\u202e\u200d\u2028")
    visible.encode()  # a lone surrogate would raise


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("hi", 2),
        ("你好", 4),
        ("，", 2),
        ("é", 1),
        ("e\u0301", 1),
        ("ｱ", 1),
        ("👍", 2),
        ("\u1112\u1161\u11ab", 2),
    ],
)
def test_columns(text: str, columns: int) -> None:
    assert count_columns(text) == columns
    assert pad_columns(text, 6) == text + " " * (6 - columns)
    assert pad_columns(text, 0) == text


def raise_broken_pipe() -> int:
    raise BrokenPipeError


def send_sigterm() -> int:
    os.kill(os.getpid(), signal.SIGTERM)
    return 0


def press_ctrl_c() -> int:
    raise KeyboardInterrupt


def test_the_status_is_that_of_the_work(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_politely(lambda: 5) == 5
    assert run_politely(press_ctrl_c) == 130
    assert capfd.readouterr().err == "stopped\n"
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        run_politely(send_sigterm)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == handler


WRITE = """
from chatbot.errors import ChatbotError
from chatbot.system.terminal import run_politely, write_output
def work():
    try:
        while True:
            write_output("你好\\n" * 1000)
    except ChatbotError as error:
        return len(str(error).splitlines()) + 1
raise SystemExit(run_politely(work))
"""


def run_shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command, "bash", sys.executable, WRITE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("command", "status", "output"),
    [
        ('"$1" -c "$2" | head -n 1; exit ${PIPESTATUS[0]}', 0, "你好\n"),
        ('PYTHONIOENCODING=ascii "$1" -c "$2" | head -n 1; exit ${PIPESTATUS[0]}', 0, "??\n"),
        ('"$1" -c "$2" >/dev/full', 2, ""),
        ('"$1" -c "$2" >&-', 2, ""),
    ],
    ids=["head", "ascii", "full", "closed"],
)
def test_output_that_ends_early_ends_quietly(command: str, status: int, output: str) -> None:
    done = run_shell(command)
    assert (done.returncode, done.stdout, done.stderr) == (status, output, "")
