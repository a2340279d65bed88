"""Chats with the model in this directory: python DIRECTORY, or lines through a pipe."""

from __future__ import annotations

import sys
from pathlib import Path

from chatbot.bot import Chatbot
from chatbot.errors import ChatbotError
from chatbot.system.terminal import make_visible, write_output


def main() -> int:
    """Answers each line with the greedy reply and the replies of the model's own search.

    Returns:
        The exit status: 2 where the model cannot be loaded, or something follows the directory.
    """
    if sys.argv[1:]:
        given = make_visible(sys.argv[1])
        sys.stderr.write(f"{given}: this takes no arguments; python DIRECTORY answers its input\n")
        return 2
    try:
        bot = Chatbot.load(Path(__file__).parent)
    except ChatbotError as error:
        sys.stderr.write(f"{make_visible(str(error))}\n")
        return 2
    turns: list[str] = []
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
    while True:
        write_output("> " if sys.stdin.isatty() else "")
        line = sys.stdin.readline()
        if not line:
            return 0
        if line.strip():
            turns = [*turns, line.rstrip("\n")][-bot.config.corpus.context_turns :]
            turns.append(_answer(bot, turns))


def _answer(bot: Chatbot, turns: list[str]) -> str:
    """Writes the replies to a dialogue; returns the best."""
    query = turns[-1] if bot.config.corpus.context_turns == 1 else turns
    found = bot.reply(query)
    kind = "sample" if bot.config.search.sample else "beam"
    rows = [("greedy", bot.greedy(query))]
    if bot.config.search.beam_search or bot.config.search.sample:
        rows += [(f"{kind} {place}", reply) for place, reply in enumerate(found, start=1)]
    lines = (f"{name:<10}{make_visible(reply.text)}\n" for name, reply in rows)
    write_output("".join(lines) + "\n")
    return found[0].text


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)
