"""The chat on a terminal: line editing, history, colours, and a model that loads meanwhile."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import logging
from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style

from chatbot.chat.conversation import Conversation
from chatbot.chat.loading import load_and_trace
from chatbot.chat.rows import Row, note
from chatbot.system.files import replace_text
from chatbot.system.terminal import is_terminal, make_visible

if TYPE_CHECKING:
    from chatbot.bot import Chatbot
    from chatbot.chat.pictures import Pictures

STYLE = Style.from_dict(
    {
        "prompt": "bold ansigreen",
        "label": "ansicyan",
        "reply": "bold",
        "numbers": "ansibrightblack",
        "note": "italic ansiyellow",
    }
)
HOW_TO_LEAVE = "Ctrl-D or /quit leaves"
HISTORY_LENGTH = 1000
"""Lines that the history keeps."""
LONGEST_REMEMBERED = 1000
"""Characters of a line that the history keeps."""


class Loading:
    """A chatbot that a thread is loading.

    Attributes:
        future: Holds the chatbot, or why there is none.
    """

    def __init__(self, make: Callable[[], Chatbot]) -> None:
        """Starts loading."""
        self.future: Future[Chatbot] = Future()
        # A daemon, so that leaving the chat does not wait for it.
        threading.Thread(target=self._run, args=(make,), daemon=True).start()

    def _run(self, make: Callable[[], Chatbot]) -> None:
        try:
            self.future.set_result(make())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asks
            self.future.set_exception(error)

    def describe(self) -> str:
        """Returns how far it is, for the right edge of the prompt."""
        if not self.future.done():
            return "loading ..."
        if self.future.exception():
            return ""
        bot = self.future.result()
        return make_visible(f"{bot.device} by {bot.engine}")


class LineHistory(History):
    """The lines of earlier chats in a file, if it can be read and written."""

    def __init__(self, path: Path) -> None:
        """Takes the path of the file, which the first line makes, with its directory."""
        super().__init__()
        self._path = path

    def load_history_strings(self) -> Iterable[str]:
        """Returns the lines of earlier chats, newest first; shortens a file grown long."""
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        except OSError:
            return []
        if len(lines) > 2 * HISTORY_LENGTH:
            with contextlib.suppress(OSError):
                replace_text(self._path, "".join(f"{x}\n" for x in lines[-HISTORY_LENGTH:]))
        return lines[: -HISTORY_LENGTH - 1 : -1]

    def store_string(self, string: str) -> None:
        """Adds a line; if that fails, only this chat remembers it."""
        line = make_visible(string[:LONGEST_REMEMBERED])
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # What somebody says to a chatbot is nobody else's business.
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(f"{line}\n")


def find_history() -> Path:
    """Returns where this user's history is kept: XDG_STATE_HOME, or ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME", "")
    # A relative one is to be ignored, says the XDG base directory specification.
    base = Path(state) if os.path.isabs(state) else Path(os.path.expanduser("~/.local/state"))
    return base / "chatbot" / "history"


def chat_on_terminal(
    model_dir: str,
    settings: Mapping[str, Any] | None = None,
    pictures: Pictures | None = None,
    **how: Any,
) -> int:
    """Chats on a terminal; see `chatbot.chat.pipe.chat_through_pipe`.

    The prompt appears at once, and the model is loaded and traced behind it.
    """
    find_bot = functools.partial(load_and_trace, model_dir, settings, **how)
    # What is missing is said before any prompt.
    bot = None if looks_ready(model_dir) else find_bot()
    loading = Loading(lambda: bot or find_bot())
    session = make_session(LineHistory(find_history()), loading.describe)
    report = functools.partial(_report_loaded, session)
    # Only a prompt that runs can be ended: what was loaded before it begins is reported then.
    session.app.pre_run_callables.append(lambda: loading.future.add_done_callback(report))
    with showing_above():
        _show([note(f"{make_visible(model_dir)}: say something, or /help; {HOW_TO_LEAVE}")])
        talk(session, Conversation(lambda: _wait(loading), pictures))
    if not loading.future.done():
        # Python cannot end while a thread is inside TensorFlow; nothing is left to be saved.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def looks_ready(model_dir: str) -> bool:
    """Tells at once whether a model directory seems to have a checkpoint, or an exported model."""
    try:
        return '"step"' in Path(model_dir, "checkpoints.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return any(Path(model_dir).glob("onnx/*/graphs.json"))
    except (OSError, UnicodeDecodeError):
        return False


@contextlib.contextmanager
def showing_above() -> Iterator[None]:
    """Shows lines of standard error above the prompt instead of inside it, if it is on a terminal.

    They come from the thread that loads.
    """
    if not is_terminal(2):
        yield
        return
    handler = logging.get_absl_handler().python_handler  # it keeps what was there at its import
    before = handler.stream
    with patch_stdout():
        handler.stream = sys.stderr
        try:
            yield
        finally:
            handler.stream = before


def make_session(history: History, describe: Callable[[], str]) -> PromptSession[str]:
    """Makes the session that asks for lines.

    Args:
        history: Earlier lines.
        describe: Returns what to show at the right edge of the prompt.
    """
    bindings = KeyBindings()

    @bindings.add(Keys.Vt100MouseEvent)
    def _(event: KeyPressEvent) -> None:
        """Ignores the mouse: the library's own handler fails on a typed or pasted ESC [ 3 1 m."""

    return PromptSession(
        [("class:prompt", "> ")],
        style=STYLE,
        history=history,
        key_bindings=bindings,
        rprompt=lambda: [("class:numbers", describe())],
    )


def talk(session: PromptSession[str], conversation: Conversation) -> None:
    """Asks for lines and answers them until somebody leaves."""
    while not conversation.is_over:
        try:
            _show([*conversation.answer(session.prompt()), []])
        except KeyboardInterrupt:
            _show([note(f"stopped; {HOW_TO_LEAVE}")])
        except EOFError:
            break


def _wait(loading: Loading) -> Chatbot:
    if not loading.future.done():
        _show([note("loading ...")])
    return loading.future.result()


def _report_loaded(session: PromptSession[str], future: Future[Chatbot]) -> None:
    """Redraws a waiting prompt when loading has ended, or ends it if loading failed."""
    app, error = session.app, future.exception()
    loop = app.loop
    if error is None or loop is None:
        app.invalidate()
        return

    def end() -> None:
        if app.is_running and not app.is_done:
            app.exit(exception=error)

    with contextlib.suppress(RuntimeError):  # the loop has just ended; the next answer will tell
        loop.call_soon_threadsafe(end)


def _show(rows: Iterable[Row]) -> None:
    for row in rows:
        parts = [(f"class:{part.style}", part.text) for part in row]
        print_formatted_text(FormattedText(parts), style=STYLE)
