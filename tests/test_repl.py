from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers_chat import PaperBot, load_bot, make_hostile_lines
from hypothesis import given
from hypothesis import strategies as st

from chatbot import repl
from chatbot.chatbot import Reply
from chatbot.repl import COMMANDS, Chat, answer_each, lay_out
from chatbot.streams import LineReader
from chatbot.terminal import UNSAFE, count_columns


@pytest.fixture
def chat() -> Chat:
    return make_chat()


def make_chat(**search: Any) -> Chat:
    bot: Any = PaperBot(**search)
    return Chat(lambda: bot)


def say(chat: Chat, line: str) -> list[str]:
    return ["".join(part.text for part in row) for row in chat.answer(line)]


def test_a_line_is_answered_greedily_and_by_the_beam(chat: Chat) -> None:
    assert say(chat, "hello") == [
        "greedy  olleh                                 log_prob -0.12",
        "beam 1  olleh                                 log_prob -0.12  score -0.10",
        "beam 2  olleh                                 log_prob -1.12  score -1.10",
        "beam 3  olleh                                 log_prob -2.12  score -2.10",
    ]


def test_without_beam_search_there_is_the_greedy_reply() -> None:
    assert len(say(make_chat(beam_search=False), "hello")) == 1


def test_wide_characters_line_up() -> None:
    texts = ["hi", "你好，我是皮皮。", "e\u0301a", "👍"]
    rows = lay_out(Reply("hi", -1.0, -1.0), [Reply(text, -1.0, -10.5) for text in texts])
    starts = {count_columns(row[0].text + row[1].text) for row in rows}
    assert starts == {8 + repl.MIN_WIDTH}


def test_labels_and_numbers_line_up() -> None:
    beam = [Reply("x", -1.0 * 10**place, -0.001) for place in range(12)]
    rows = ["".join(part.text for part in row) for row in lay_out(Reply("x", 0.0, 0.0), beam)]
    assert len({row.index("x ") for row in rows}) == 1
    assert len({row.index("  score") for row in rows[1:]}) == 1
    assert "-0.00" not in "".join(rows)


def test_a_long_reply_is_shown_whole() -> None:
    (row,) = lay_out(Reply("word " * 40, -1.0, -1.0), [])
    assert row[1].text == "word " * 40


def test_a_reply_of_control_characters_is_harmless() -> None:
    (row,) = lay_out(Reply("\x1b[2J\u202e\x07", -1.0, -1.0), [])
    assert UNSAFE.search("".join(part.text for part in row)) is None


@pytest.mark.parametrize("line", ["", " ", "\t \r", "\u3000"])
def test_an_empty_line_is_one_hint(chat: Chat, line: str) -> None:
    assert say(chat, line) == ["say something, or /help"]


def test_a_cut_line_is_answered_with_one_note(chat: Chat) -> None:
    rows = say(chat, "word " * 10_000)
    assert rows[0] == "that was long: only its first 8 tokens were read"
    assert [row[:6] for row in rows[1:]] == ["greedy", "beam 1", "beam 2", "beam 3"]


def test_commands_change_the_search(chat: Chat) -> None:
    assert say(chat, "/beam 7") == ["from now on the 7 best replies"]
    assert len(say(chat, "hello")) == 8
    assert len(say(chat, "/greedy")) == 1
    assert len(say(chat, "hello")) == 1
    assert len(say(chat, " /beam 2")) == 1, "a blank in front makes it a query"
    assert say(chat, "/BEAM  2") == ["from now on the 2 best replies"]
    assert len(say(chat, "hello")) == 3


@pytest.mark.parametrize("argument", ["", "0", "1001", "-1", "x", "1.5", "٣", "9" * 5000, "5 6"])
def test_a_bad_width_is_one_line_and_changes_nothing(chat: Chat, argument: str) -> None:
    assert say(chat, f"/beam {argument}") == [
        "/beam takes a number between 1 and 1000, as in /beam 5"
    ]
    assert len(say(chat, "hello")) == 4


@pytest.mark.parametrize("line", ["/", "/nothing", "/\x1b[2J", "//", "/" + "x" * 100_000])
def test_an_unknown_command_is_one_short_line(chat: Chat, line: str) -> None:
    (row,) = say(chat, line)
    assert row.endswith("is no command; /help lists them")
    assert len(row) < 300
    assert UNSAFE.search(row) is None
    assert not chat.is_over


def test_help_lists_every_command(chat: Chat) -> None:
    rows = say(chat, "/help")
    assert [row.split()[0] for row in rows] == [f"/{command.name}" for command in COMMANDS]


def test_commands_do_not_wait_for_the_model() -> None:
    chat = Chat(lambda: pytest.fail("it waited"))
    for line in ("", "/help", "/beam 3", "/greedy", "/x", "/quit"):
        assert say(chat, line)
    assert chat.is_over


def talk(chat: Chat, content: bytes, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sends bytes through a pipe; returns what was written for each line."""
    written: list[str] = []
    monkeypatch.setattr(repl, "write_output", written.append)
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
    with pytest.MonkeyPatch.context() as monkeypatch:
        answers = talk(make_chat(), b"".join(line + b"\n" for line in lines), monkeypatch)
    assert len(answers) == len(lines)
    for line, answer in zip(lines, answers):
        assert answer.endswith("\n\n")
        assert UNSAFE.search(answer.replace("\n", "")) is None
        if line == b"hello":
            assert answer.startswith("greedy  olleh")


def test_hostile_lines_have_an_answer_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = load_bot(tmp_path)
    lines = make_hostile_lines(200)
    answers = talk(Chat(lambda: bot), b"\n".join(lines), monkeypatch)
    assert len(answers) == len(lines)
    for answer in answers:
        assert UNSAFE.search(answer.replace("\n", "")) is None


def test_quit_ends_a_pipe(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = talk(chat, b"hello\n/quit\nhello\n", monkeypatch)
    assert len(answers) == 2
    assert answers[-1] == "bye\n\n"
