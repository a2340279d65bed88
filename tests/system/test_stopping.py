from __future__ import annotations

import contextlib
import os
import signal
import sys

import pytest

from chatbot.system import stopping
from chatbot.system.stopping import Stopped, StopRequest, deferring_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_a_request_and_its_echo_is_no_second_one(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        requested = [stop.requested]
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        requested.append(stop.requested)
        assert requested == [False, True]
        assert stop.signal_number == number
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_later_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "IMPATIENCE", -1.0)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal_number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_held_back_comes_once_at_the_end(number: signal.Signals) -> None:
    heard: list[object] = []
    before = signal.signal(number, lambda *_: heard.append("outside"))
    try:
        with deferring_signals():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            heard.append("inside")
        assert heard == ["inside", "outside"]
        with contextlib.suppress(OSError), deferring_signals():
            os.kill(os.getpid(), number)
            raise OSError("the disk is full")
        assert heard == ["inside", "outside", "outside"]
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("caught_by", ["C++", "a destructor"])
def test_a_stop_that_nobody_can_raise_prints_nothing_and_still_counts(
    caught_by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = StopRequest()

    class Interrupted:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    def work() -> int:
        if caught_by == "C++":  # which calls the hook, as PyErr_Print does
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except Stopped as error:
                sys.excepthook(type(error), error, error.__traceback__)
        else:
            Interrupted()
        stop.check()
        return 0

    hooks = sys.excepthook, sys.unraisablehook
    assert stop.end_politely(work) == 128 + signal.SIGTERM
    assert (sys.excepthook, sys.unraisablehook) == hooks
    assert capsys.readouterr().err == "stopped; nothing is lost, run the same command to go on\n"


def test_the_clock_is_a_request() -> None:
    assert not StopRequest(60.0).requested
    assert StopRequest(1e-9).requested
    assert not StopRequest(0.0).requested
