from __future__ import annotations

import os
import random
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application, create_app_session
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from chatbot.bot import Chatbot
from chatbot.chat import prompt
from chatbot.chat.conversation import Conversation
from chatbot.chat.prompt import (
    HISTORY_LENGTH,
    LineHistory,
    Loading,
    find_history,
    make_session,
    talk,
)
from chatbot.chat.rows import Row
from chatbot.errors import ChatbotError
from tests.helpers_chat import PaperBot

PARTS = (
    "\x1b[ \x1b[3 M m < 1 ; 2 R ~ \x1b \x1bO \x1b[200~ \x1b[201~ a é 你 \x00 \x05 \x07 \x08 \x0b "
    "\x0c \x0e \x10 \x11 \x12 \x13 \x14 \x15 \x16 \x17 \x18 \x19 \x1f \x7f \x1b[A \x1b[B "
    "\x1b[1;5C \x1bf \x1bd \x1bu \x1bc \x1b5 \x1b- \x1b. \x1b# \x1b\\ \x1b< \x1b> \x1b[31m "
    "\x1b[2J \u202e \x9b \udcff"
).split(" ")


@pytest.fixture
def keyboard() -> Iterator[PipeInput]:
    """What is typed; nothing is shown."""
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield keys


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    rows: list[str] = []

    def keep(given: list[Row]) -> None:
        rows.extend("".join(part.text for part in row) for row in given)

    monkeypatch.setattr(prompt, "_show", keep)
    return rows


def make_talk() -> tuple[PromptSession[str], Conversation]:
    bot: Any = PaperBot()
    return make_session(InMemoryHistory(), lambda: ""), Conversation(lambda: bot)


def press(keyboard: PipeInput, keys: str) -> None:
    keyboard.send_bytes(keys.encode("utf-8", "surrogateescape"))


def test_lines_are_edited_and_answered(keyboard: PipeInput, shown: list[str]) -> None:
    press(keyboard, "hellp\x7fo\r/quit\r")
    talk(*make_talk())
    assert shown[0].startswith("greedy  olleh ")
    assert shown[-2:] == ["bye", ""]


def test_ctrl_c_clears_the_line_and_ctrl_d_leaves(keyboard: PipeInput, shown: list[str]) -> None:
    press(keyboard, "secret\x03\x04")
    talk(*make_talk())
    assert shown == ["stopped; Ctrl-D or /quit leaves"]


def test_ctrl_c_stops_an_answer(
    keyboard: PipeInput, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Conversation, line: str) -> list[Row]:
        raise KeyboardInterrupt

    session, chat = make_talk()
    monkeypatch.setattr(Conversation, "answer", interrupt)
    press(keyboard, "hello\r\x04")
    talk(session, chat)
    assert shown == ["stopped; Ctrl-D or /quit leaves"]


def test_no_keys_upset_line_editing(
    keyboard: PipeInput, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any, loop: Any, context: Any) -> None:
        self.exit(exception=context["exception"])

    monkeypatch.setattr(Application, "_handle_exception", fail)  # else it asks for a key
    generator = random.Random(5)
    for _ in range(40):
        session, chat = make_talk()
        keys = "".join(generator.choices(PARTS, k=generator.randrange(1, 9)))
        # Out of a paste, a search or a half-typed key, then the line's end and the chat's.
        press(keyboard, keys + "\x1b[201~\x07\r\r/quit\r")
        talk(session, chat)
        assert chat.is_over or "/quit" not in keys


def test_a_paste_is_one_line(keyboard: PipeInput, shown: list[str]) -> None:
    press(keyboard, "\x1b[200~one\ntwo\x1b[31m\x1b[201~\r\x04")
    talk(*make_talk())
    assert shown[0].startswith("greedy  m13[\ufffdowt\ufffdeno")


def test_loading_goes_on_behind_the_prompt() -> None:
    bot: Any = PaperBot()
    gate: Future[None] = Future()

    def make() -> Chatbot:
        gate.result()
        return bot  # type: ignore[no-any-return]

    loading = Loading(make)
    assert loading.describe() == "loading ..."
    gate.set_result(None)
    assert loading.future.result() is bot
    assert loading.describe() == "paper by hand"


def refuse() -> Chatbot:
    raise ChatbotError("damaged")


def test_what_goes_wrong_while_loading_ends_the_chat(keyboard: PipeInput, shown: list[str]) -> None:
    loading = Loading(refuse)
    with pytest.raises(ChatbotError, match="damaged"):
        loading.future.result()
    assert loading.describe() == ""
    session, _ = make_talk()
    press(keyboard, "hello\r")
    with pytest.raises(ChatbotError, match="damaged"):
        talk(session, Conversation(lambda: prompt._wait(loading)))


def test_what_goes_wrong_ends_a_prompt_that_waits(keyboard: PipeInput, shown: list[str]) -> None:
    session, chat = make_talk()
    begin = time.monotonic()

    def make() -> Chatbot:
        while not session.app.is_running and time.monotonic() < begin + 10:
            time.sleep(0.01)
        return refuse()

    loading = Loading(make)
    loading.future.add_done_callback(lambda future: prompt._report_loaded(session, future))
    with pytest.raises(ChatbotError, match="damaged"):
        talk(session, chat)


def test_the_history_is_private_and_on_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = find_history()
    assert path == tmp_path / "chatbot" / "history"
    LineHistory(path).store_string("hello\x1b[2J\udcff")
    LineHistory(path).store_string("你好\nyou")
    assert list(LineHistory(path).load_history_strings()) == [
        "你好\ufffdyou",
        "hello\ufffd[2J\ufffd",
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_history() == tmp_path / ".local" / "state" / "chatbot" / "history"


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_a_history_that_cannot_be_written_is_done_without(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "place")
    path = tmp_path / "place" if make is Path.mkdir else tmp_path / "place" / "history"
    history = LineHistory(path)
    history.append_string("hello")
    assert list(history.load_history_strings()) == []
    assert history.get_strings() == ["hello"]


def test_the_history_is_bounded(tmp_path: Path) -> None:
    history = LineHistory(tmp_path / "history")
    history.store_string("x" * 1_000_000)
    assert (tmp_path / "history").stat().st_size == prompt.LONGEST_REMEMBERED + 1
    (tmp_path / "history").write_text("".join(f"{n}\n" for n in range(5000)), encoding="utf-8")
    found = list(history.load_history_strings())
    assert found[0] == "4999"
    assert len(found) == HISTORY_LENGTH
    assert len((tmp_path / "history").read_text(encoding="utf-8").split()) == HISTORY_LENGTH


def test_a_full_disk_does_not_cost_the_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    lines = "".join(f"{n}\n" for n in range(5000))
    (tmp_path / "history").write_text(lines, encoding="utf-8")
    monkeypatch.setattr(os, "fsync", fail)
    assert next(iter(LineHistory(tmp_path / "history").load_history_strings())) == "4999"
    assert [(x.name, x.read_text(encoding="utf-8")) for x in tmp_path.iterdir()] == [
        ("history", lines)
    ]
