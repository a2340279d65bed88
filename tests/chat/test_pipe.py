from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chatbot.bot import Chatbot
from chatbot.chat import pipe
from chatbot.chat.conversation import Conversation
from chatbot.chat.pipe import answer_each
from chatbot.system.lines import LineReader
from chatbot.system.terminal import UNSAFE
from tests.helpers_chat import PaperBot, make_hostile_lines


def make_chat() -> Conversation:
    bot: Any = PaperBot()
    return Conversation(lambda: bot)


def talk(chat: Conversation, content: bytes, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sends bytes through a pipe; returns what was written for each line."""
    written: list[str] = []
    monkeypatch.setattr(pipe, "write_output", written.append)
    source, sink = os.pipe()

    def send() -> None:
        with os.fdopen(sink, "wb") as file:
            file.write(content)

    sender = threading.Thread(target=send)
    sender.start()
    answer_each(chat, LineReader(source, "pipe"))
    os.set_blocking(source, False)
    while sender.is_alive():  # after /quit somebody has to take the rest
        try:
            os.read(source, 1 << 16)
        except BlockingIOError:
            sender.join(0.01)
    os.close(source)
    return written


@given(
    lines=st.lists(
        st.binary(max_size=20) | st.sampled_from([b"", b"/x", b"hello", b"/help", b"\x1b[2J"])
    )
)
def test_every_line_of_a_pipe_has_one_answer_in_order(lines: Sequence[bytes]) -> None:
    lines = [line.replace(b"\n", b"").replace(b"/q", b"") for line in lines]
    assume(not lines or not lines[0].startswith((b"\xff\xfe", b"\xfe\xff")))  # UTF-16
    with pytest.MonkeyPatch.context() as monkeypatch:
        answers = talk(make_chat(), b"".join(line + b"\n" for line in lines), monkeypatch)
    assert len(answers) == len(lines)
    for line, answer in zip(lines, answers):
        assert answer.endswith("\n\n")
        assert UNSAFE.search(answer.replace("\n", "")) is None
        if line == b"hello":
            assert answer.startswith("greedy  olleh")


def test_hostile_lines_have_an_answer_each(bot: Chatbot, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = make_hostile_lines(200)
    answers = talk(Conversation(lambda: bot), b"\n".join(lines), monkeypatch)
    assert len(answers) == len(lines)
    for answer in answers:
        assert UNSAFE.search(answer.replace("\n", "")) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quit_ends_a_pipe_from_any_system(
    chat: Conversation, end: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = f"hello{end}/quit{end}hello{end}".encode(encoding)
    answers = talk(chat, content, monkeypatch)
    assert len(answers) == 2
    assert answers[0].startswith("greedy  olleh ")
    assert answers[-1] == "bye\n\n"
