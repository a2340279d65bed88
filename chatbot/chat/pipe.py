"""The chat through a pipe: no prompt, no colour and no greeting, only the answers.

A blank line follows each. Of a line the first 16 MB are read.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chatbot.chat.conversation import Conversation
from chatbot.chat.loading import load_and_trace
from chatbot.system.lines import LineReader
from chatbot.system.terminal import is_terminal, make_visible, write_output

if TYPE_CHECKING:
    from chatbot.chat.pictures import Pictures


def chat_through_pipe(
    model_dir: str,
    settings: Mapping[str, Any] | None = None,
    pictures: Pictures | None = None,
    **how: Any,
) -> int:
    """Chats until the input ends or somebody says /quit.

    Args:
        model_dir: The model directory.
        settings: {setting: value} for what is to differ from the directory's `SearchConfig`.
        pictures: Draws every answer; None draws none.
        **how: engine and reply_precision, as in `Chatbot.load`.

    Returns:
        The exit status, 0.

    Raises:
        ChatbotError: The model cannot be loaded.
    """
    bot = load_and_trace(model_dir, settings, **how)
    if is_terminal(2):
        sys.stderr.write(f"{make_visible(model_dir)} on {bot.device} by {bot.engine}\n")
    answer_each(Conversation(lambda: bot, pictures), LineReader(0, "standard input"))
    return 0


def answer_each(conversation: Conversation, reader: LineReader) -> None:
    """Answers the lines of a pipe or file, each as soon as it is there."""
    for line in reader:
        rows = conversation.answer(line.text)
        text = "".join("".join(part.text for part in row).rstrip() + "\n" for row in rows)
        write_output(text + "\n")
        if conversation.is_over:
            break
