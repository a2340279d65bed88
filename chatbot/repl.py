"""The chat: every line's greedy reply and the beam's, and a few commands.

A model that was trained with `--context_turns=N` is asked the last N turns: what was typed, and
what was answered first in the list (the beam's best reply, without a beam the greedy one).

On a terminal `chatbot.prompt` asks for the lines. Through a pipe there is no prompt, no colour and
no greeting: the answers alone, a blank line after each. For the time and memory that a line may
take see `chatbot.chatbot`; of a line through a pipe the first 16 MB are kept.
"""

from __future__ import annotations

import dataclasses
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chatbot.config import SearchConfig
from chatbot.errors import ChatbotError
from chatbot.startup import load_and_trace
from chatbot.streams import LineReader
from chatbot.terminal import (
    count_columns,
    is_terminal,
    make_visible,
    pad_columns,
    write_output,
)

if TYPE_CHECKING:
    from chatbot.chatbot import Chatbot, Reply

MIN_WIDTH, MAX_WIDTH = 36, 72
"""Columns for the replies' texts; the numbers stand behind, a longer text pushes them right."""
LONGEST_TURN = 1 << 17
"""Characters of a turn that are remembered; the model looks at no more."""
EMPTY = "say something, or /help"


class Part(NamedTuple):
    """A piece of a line of output.

    Attributes:
        style: What it is: "note", "label", "reply" or "numbers".
        text: Visible characters.
    """

    style: str
    text: str


Row = Sequence[Part]
"""One line of output."""


class Chat:
    """A conversation: lines in, lines out.

    Attributes:
        is_over: Whether somebody said /quit.
        search: Settings of the search that this conversation has changed.
    """

    def __init__(self, find_bot: Callable[[], Chatbot]) -> None:
        """Begins a conversation.

        Args:
            find_bot: Returns the chatbot, and waits for it where it is not loaded yet.
        """
        self._find_bot = find_bot
        self.is_over = False
        self.search: dict[str, Any] = {}
        self._turns: deque[str] = deque()  # those before the next line, as many as a query has
        self._reads_one_turn = False

    def answer(self, line: str) -> list[Row]:
        """Answers a line or obeys a command.

        Args:
            line: What was typed.

        Returns:
            At least one row.

        Raises:
            ChatbotError: The model cannot be loaded.
        """
        if not line.strip():
            return [note(EMPTY)]
        if line.startswith("/"):
            return self._obey(line)
        bot = self._find_bot()
        search = dataclasses.replace(bot.config.search, **self.search)
        query = self._recall(bot.config.corpus.context_turns, line)
        greedy = bot.greedy(query)
        beam = bot.reply(query, search.beam_size) if search.beam_search else []
        rows = lay_out(greedy, beam)
        self._remember(line, (beam[0] if beam else greedy).text)
        if bot.read(line).is_cut:
            longest = bot.config.corpus.max_length
            rows.insert(0, note(f"that was long: only its first {longest} tokens were read"))
        return rows

    def _recall(self, context_turns: int, line: str) -> str | list[str]:
        """Puts the turns before a line in front of it, as far as the model reads them."""
        if context_turns == 1:
            self._reads_one_turn = True
            return line
        if self._turns.maxlen is None:
            self._turns = deque(maxlen=context_turns - 1)
        return [*self._turns, line]

    def _remember(self, *turns: str) -> None:
        if not self._reads_one_turn:
            self._turns.extend(turn[:LONGEST_TURN] for turn in turns if turn.strip())

    def _obey(self, line: str) -> list[Row]:
        name, _, argument = make_visible(line[1:200]).strip().partition(" ")
        for command in COMMANDS:
            if command.name == name.lower():
                return command.action(self, argument.strip())
        return [note(f"/{name} is no command; /help lists them")]

    def set_beam(self, argument: str) -> list[Row]:
        """Changes the width of the beam, and shows its replies again."""
        try:
            size = int(argument) if argument.isascii() else 0
            SearchConfig(beam_size=size)
        except (ValueError, ChatbotError):
            return [note("/beam takes a number between 1 and 1000, as in /beam 5")]
        self.search.update(beam_search=True, beam_size=size)
        return [note(f"from now on the {size} best replies" if size > 1 else "now a beam of 1")]

    def set_greedy(self, _: str) -> list[Row]:
        """Leaves the beam's replies out."""
        self.search.update(beam_search=False)
        return [note("from now on the greedy reply alone; /beam N shows more")]

    def forget(self, _: str) -> list[Row]:
        """Begins a new conversation."""
        if self._reads_one_turn:
            return [note("nothing to forget: this model was trained with --context_turns=1")]
        self._turns.clear()
        return [note("forgotten; we begin anew")]

    def show_help(self, _: str) -> list[Row]:
        """Lists the commands."""
        width = max(len(command.usage) for command in COMMANDS)
        return [note(f"{command.usage:{width}}  {command.purpose}") for command in COMMANDS]

    def leave(self, _: str) -> list[Row]:
        """Ends the conversation."""
        self.is_over = True
        return [note("bye")]


class Command(NamedTuple):
    """What can be said with a slash.

    Attributes:
        name: The word behind the slash.
        usage: How to type it.
        purpose: What it does.
        action: Takes the conversation and what stands behind the name, returns what to show.
    """

    name: str
    usage: str
    purpose: str
    action: Callable[[Chat, str], list[Row]]


COMMANDS = (
    Command("help", "/help", "show this list", Chat.show_help),
    Command("beam", "/beam N", "show the N best replies of the beam search", Chat.set_beam),
    Command("greedy", "/greedy", "show the greedy reply alone", Chat.set_greedy),
    Command("reset", "/reset", "forget what was said before", Chat.forget),
    Command("quit", "/quit", "leave, as Ctrl-D does", Chat.leave),
)


def note(text: str) -> Row:
    """Makes a row that is not a reply."""
    return [Part("note", text)]


def lay_out(greedy: Reply, beam: Sequence[Reply]) -> list[Row]:
    """Writes replies one below the other, the numbers in columns.

    Args:
        greedy: The greedy reply.
        beam: The beam's replies, best first.

    Returns:
        A row for each.
    """
    labels = ["greedy", *(f"beam {place}" for place in range(1, len(beam) + 1))]
    texts = [make_visible(reply.text) or "(nothing)" for reply in (greedy, *beam)]
    label_width = max(len(label) for label in labels)
    width = min(MAX_WIDTH, max(MIN_WIDTH, *(count_columns(text) for text in texts)))
    log_probs = _align([greedy.log_prob, *(reply.log_prob for reply in beam)])
    scores = ["", *(f"  score {score}" for score in _align([reply.score for reply in beam]))]
    return [
        [
            Part("label", f"{label:{label_width}}  "),
            Part("reply", pad_columns(text, width)),
            Part("numbers", f"  log_prob {log_prob}{score}"),
        ]
        for label, text, log_prob, score in zip(labels, texts, log_probs, scores)
    ]


def _align(numbers: Sequence[float]) -> list[str]:
    written = [f"{round(number, 2) + 0.0:.2f}" for number in numbers]  # + 0.0: no -0.00
    width = max(map(len, written), default=0)
    return [text.rjust(width) for text in written]


def chat_through_pipe(model_dir: str, settings: Mapping[str, Any] | None = None) -> int:
    """Chats until the input ends or somebody says /quit.

    Args:
        model_dir: The model directory.
        settings: {setting: value} for what is to differ from the directory's `SearchConfig`.

    Returns:
        The exit status, 0.

    Raises:
        ChatbotError: The model cannot be loaded.
    """
    bot = load_and_trace(model_dir, settings)
    if is_terminal(2):
        sys.stderr.write(f"{make_visible(model_dir)} on {bot.device}\n")
    answer_each(Chat(lambda: bot), LineReader(0, "standard input"))
    return 0


def answer_each(conversation: Chat, reader: LineReader) -> None:
    """Answers the lines of a pipe or file, each as soon as it is there.

    Args:
        conversation: Who answers.
        reader: Where the lines come from.
    """
    for line in reader:
        rows = conversation.answer(line.text)
        text = "".join("".join(part.text for part in row).rstrip() + "\n" for row in rows)
        write_output(text + "\n")
        if conversation.is_over:
            break
