"""Replies to the lines of a file or pipe, one JSON object a line, in the same order.

    {"query": str, "greedy": {"reply": str, "log_prob": float},
     "beam": [{"reply": str, "log_prob": float, "score": float}, ...]}

With `--sample` the list is called "sample".
Lines are read and answered in windows (`chatbot.system.lines`): a window's queries are searched in
batches of similar length and its answers are written at once, so that memory does not grow with
the number of lines. **The bound**: a window is at most 512 lines and, except for its last line, 1
MB. It costs at most 64 times its bytes (control characters among emoji, all escaped; 4 times is
usual) besides the search. A line of more than 16 MB is refused. For the cost of a query see
`chatbot.bot`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from chatbot.chat.answer import Answer, answer
from chatbot.chat.loading import load_and_trace
from chatbot.errors import ChatbotError
from chatbot.system.files import replace_output
from chatbot.system.lines import MAX_LINE, LineReader, open_lines
from chatbot.system.terminal import UNSAFE, write_bytes

if TYPE_CHECKING:
    from chatbot.bot import Chatbot
    from chatbot.chat.pictures import Pictures


def answer_lines(
    source: str,
    target: str,
    model_dir: str,
    settings: Mapping[str, Any] | None = None,
    pictures: Pictures | None = None,
    **how: Any,
) -> int:
    """Answers every line of a file; both files are opened before the model is loaded.

    Args:
        source: The file to read, or "-" for standard input.
        target: The file to write, which appears when it is complete, or "-" for standard output.
        model_dir: The model directory.
        settings: {setting: value} for what is to differ from the directory's `SearchConfig`.
        pictures: Draws every answer; None draws none.
        **how: engine and reply_precision, as in `Chatbot.load`.

    Returns:
        The exit status, 0.

    Raises:
        ChatbotError: A file or the model directory cannot be used, or a line is too long.
    """
    with open_lines(source) as reader, _open_output(target) as write:
        bot = load_and_trace(model_dir, settings, **how)
        with _open_bar(source, target) as bar:
            answer_windows(bot, reader, write, bar.update, pictures)
    return 0


def answer_windows(
    bot: Chatbot,
    reader: LineReader,
    write: Callable[[bytes], object],
    advance: Callable[[int], object],
    pictures: Pictures | None = None,
) -> None:
    """Answers a reader's lines, window after window.

    Args:
        bot: Who answers.
        reader: Where the lines come from.
        write: Takes the answers of one window, as UTF-8.
        advance: Is told how many bytes of lines were answered.
        pictures: Draws every answer; None draws none.

    Raises:
        ChatbotError: A line is too long, or one of the streams failed.
    """
    number = 0
    for window in reader.windows():
        for line in window:
            number += 1
            if line.is_cut:
                raise ChatbotError(
                    f"{reader.name}:{number} has more than {MAX_LINE:,} bytes; shorten that line"
                )
        write(b"".join(_answer(bot, [line.text for line in window], pictures)))
        advance(sum(line.size for line in window))


def _answer(bot: Chatbot, queries: Sequence[str], pictures: Pictures | None) -> Iterator[bytes]:
    for query, found in zip(queries, answer(bot, queries)):
        if pictures is not None:
            for line in pictures.draw(bot, query, found):
                sys.stderr.write(f"{line}\n")
        yield write_answer(query, found)


def write_answer(query: str, found: Answer) -> bytes:
    r"""Writes one answer as a line of JSON in UTF-8.

    What UTF-8 has no bytes for (lone surrogates), control characters and signs that change how a
    terminal shows the rest are escaped as \uXXXX.
    """
    written = {
        "query": query,
        "greedy": {"reply": found.greedy.text, "log_prob": found.greedy.log_prob},
        found.kind: [
            {"reply": reply.text, "log_prob": reply.log_prob, "score": reply.score}
            for reply in found.others
        ],
    }
    text = json.dumps(written, ensure_ascii=False, allow_nan=False)
    return UNSAFE.sub(_escape, text).encode() + b"\n"


def _escape(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]


@contextlib.contextmanager
def _open_output(target: str) -> Iterator[Callable[[bytes], object]]:
    if target == "-":
        yield write_bytes
        return
    with replace_output(target) as file:

        def write(content: bytes) -> None:
            file.write(content)
            file.flush()

        yield write


def _open_bar(source: str, target: str) -> tqdm[Any]:
    """Makes a progress bar over the input's bytes if nothing else is written to the terminal."""
    size = None
    if source != "-" and stat.S_ISREG(os.stat(source).st_mode):
        size = os.stat(source).st_size
    hidden = target == "-" or not sys.stderr.isatty()
    return tqdm(total=size, unit="B", unit_scale=True, desc="answering", disable=hidden)
