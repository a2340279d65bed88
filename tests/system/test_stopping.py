from __future__ import annotations

import os
import signal

import pytest

from chatbot.system import stopping
from chatbot.system.stopping import StopRequest


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


def test_the_clock_is_a_request() -> None:
    assert not StopRequest(60.0).requested
    assert StopRequest(1e-9).requested
    assert not StopRequest(0.0).requested
