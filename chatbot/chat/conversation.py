"""A conversation: each line's greedy reply beside the beam's or samples, and a few commands.

A model that was trained with `--context_turns=N` reads the last N turns: the lines and their
answers (the best reply of the beam or of the samples, else the greedy one).

On a terminal `prompt` asks for the lines, else `pipe` reads them. For the time and memory that a
line may take see `chatbot.bot`.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chatbot.beam_tree import cut_tree, find_path
from chatbot.chat.answer import Answer, answer
from chatbot.chat.rows import Row, lay_out, note
from chatbot.errors import ChatbotError
from chatbot.plots import draw_attention, draw_beam_tree, shade_attention, write_beam_tree
from chatbot.settings.choices import ENGINES
from chatbot.settings.config import PLAIN, SearchConfig
from chatbot.settings.fields import parse_value
from chatbot.system.paths import local_path
from chatbot.system.terminal import make_visible

if TYPE_CHECKING:
    from chatbot.bot import Chatbot
    from chatbot.chat.pictures import Pictures
    from chatbot.text import Query

LONGEST_TURN = 1 << 17
"""Characters of a turn that are remembered; the model looks at no more."""
EMPTY = "say something, or /help"
SETTINGS = {item.name: item for item in dataclasses.fields(SearchConfig)}
"""What /set can change."""
SHORT = {"seed": "sampling_seed"}


class Conversation:
    """A conversation: lines in, lines out.

    Attributes:
        is_over: Whether somebody said /quit.
        search: Settings of the search that this conversation has changed.
    """

    def __init__(self, find_bot: Callable[[], Chatbot], pictures: Pictures | None = None) -> None:
        """Begins a conversation.

        Args:
            find_bot: Returns the chatbot, and waits for it if it is still being loaded.
            pictures: Draws every answer; None draws none.
        """
        self._find_bot = find_bot
        self._pictures = pictures
        self.is_over = False
        self.search: dict[str, Any] = {}
        self._turns: deque[str] = deque()  # those before the next line, as many as a query has
        self._reads_one_turn = False
        self._latest: tuple[Query, Answer] | None = None
        self._answers = 0

    def answer(self, line: str) -> list[Row]:
        """Answers a line or obeys a command, in at least one row.

        Raises:
            ChatbotError: The model cannot be loaded, or has no answer.
        """
        if not line.strip():
            return [note(EMPTY)]
        is_command = line.startswith("/")
        bot = None if is_command else self._find_bot()
        try:
            return self._obey(line) if bot is None else self._reply(bot, line)
        except ChatbotError as error:
            if is_command or self.search:  # what was set here can be set otherwise
                return [note(str(error))]
            raise

    def _reply(self, bot: Chatbot, line: str) -> list[Row]:
        query = self._recall(bot.config.corpus.context_turns, line)
        found = answer(bot, [query], self._settle(bot))[0]
        rows = lay_out(found.greedy, found.others, found.kind)
        self._latest = (query, found)
        self._answers += 1
        self._remember(line, found.best.text)
        if bot.read(line).is_cut:
            longest = bot.config.corpus.max_length
            rows.insert(0, note(f"that was long: only its first {longest} tokens were read"))
        if self._pictures is not None:
            try:
                rows += map(note, self._pictures.draw(bot, query, found, self._list_settings(bot)))
            except ChatbotError as error:
                rows.append(note(str(error)))
        return rows

    def _settle(self, bot: Chatbot) -> dict[str, Any]:
        """Returns the changed settings, with another seed for each answer."""
        seed = self.search.get("sampling_seed", bot.config.search.sampling_seed)
        return {**self.search, "sampling_seed": (seed + self._answers) % 2**31}

    def _list_settings(self, bot: Chatbot) -> dict[str, Any]:
        """Returns the settings of the plain beam, whether it is shown or not."""
        changes = {**self.search, "beam_search": True}
        bot.config.search.resolve(changes)  # says what contradicts
        return changes

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
        if name.lower() in (*SETTINGS, *SHORT):
            return self.set_any(f"{name.lower()} {argument}")
        return [note(f"/{name} is no command; /help lists them")]

    def set_beam(self, argument: str) -> list[Row]:
        """Shows the beam's replies, and changes its width."""
        try:
            self._change({"beam_size": argument, "beam_search": "on", "sample": "off"})
        except ChatbotError:
            return [note("/beam takes a number between 1 and 1000, as in /beam 5")]
        size = self.search["beam_size"]
        return [note(f"from now on the {size} best replies" if size > 1 else "now a beam of 1")]

    def set_greedy(self, _: str) -> list[Row]:
        """Shows nothing except the greedy reply."""
        self._change({"beam_search": "off", "sample": "off"})
        return [note("from now on the greedy reply alone; /beam N shows more")]

    def set_sample(self, argument: str) -> list[Row]:
        """Shows samples in place of the beam, and changes how many."""
        self._change({"sample": "on", **({"beam_size": argument} if argument else {})})
        return [note("from now on replies drawn at random; /beam N goes back")]

    def set_plain(self, _: str) -> list[Row]:
        """Goes back to the plain searches, the beam shown."""
        self.search.update(PLAIN, beam_search=True)
        return [note("from now on the tutorial's searches: greedy, and the plain beam")]

    def set_engine(self, argument: str) -> list[Row]:
        """Changes who runs the network's loops, or says who does."""
        bot = self._find_bot()
        if argument:
            bot.use_engine(argument.lower())
        return [note(f"{'from now on' if argument else 'now'} by {bot.engine}")]

    def set_any(self, argument: str) -> list[Row]:
        """Changes a setting of the search, or lists them all."""
        name, _, text = argument.replace("=", " ").partition(" ")
        if name:
            self._change({name: text.strip() or "on"})
            name = SHORT.get(name, name)
            return [note(f"{name} is now {self.search[name]}")]
        search = dataclasses.replace(self._find_bot().config.search, **self.search)
        width = max(map(len, SETTINGS))
        return [note(f"{name:{width}}  {getattr(search, name)}") for name in SETTINGS]

    def _change(self, changes: Mapping[str, str]) -> None:
        """Changes settings by what was typed for them, all or none."""
        values = {}
        for given, text in changes.items():
            name = SHORT.get(given, given)
            if name not in SETTINGS:
                raise ChatbotError(f"{name} is no setting of the search; /set lists them")
            values[name] = parse_value(SETTINGS[name], text)
        SearchConfig(**values)
        self.search.update(values)
        if "sampling_seed" in values:
            self._answers = 0

    def show_attention(self, argument: str) -> list[Row]:
        """Shows what the decoder attended to while it wrote a reply."""
        if self._latest is None:
            return [note("there is no answer yet; say something first")]
        query, found = self._latest
        argument, path = _split_path(argument)
        name, _, head = argument.lower().partition("head")
        reply, head = found.find(name.strip()), head.strip() or "0"
        if reply is None or not head.isdecimal():
            return [note("/attention takes greedy or a number of the list, as in /attention 2")]
        bot = self._find_bot()
        width = shutil.get_terminal_size().columns
        looked = bot.attend(query, reply, int(head))
        rows = [note(line) for line in shade_attention(*looked, width)]
        if path:
            rows += _note_picture(path, draw_attention(path, *looked, make_visible(reply.text)))
        return rows

    def show_beam_tree(self, argument: str) -> list[Row]:
        """Shows what the beam kept and dropped for the last line."""
        if self._latest is None:
            return [note("there is no answer yet; say something first")]
        query, found = self._latest
        bot, path = self._find_bot(), _split_path(argument)[1]
        tree, cut = cut_tree(bot.trace_beam(query, **self._list_settings(bot)))
        place = find_path(tree, found.best.tokens)
        rows = [note(line) for line in (*write_beam_tree(tree, place), *([cut] if cut else []))]
        if path:
            rows += _note_picture(
                path, draw_beam_tree(path, tree, make_visible(found.best.text), place)
            )
        return rows

    def forget(self, _: str) -> list[Row]:
        """Begins a new conversation."""
        if self._reads_one_turn:
            return [note("nothing to forget: this model was trained with --context_turns=1")]
        self._turns.clear()
        return [note("forgotten; this is a new conversation")]

    def show_help(self, _: str) -> list[Row]:
        """Lists the commands."""
        width = max(len(command.usage) for command in COMMANDS)
        return [note(f"{command.usage:{width}}  {command.purpose}") for command in COMMANDS]

    def leave(self, _: str) -> list[Row]:
        """Ends the conversation."""
        self.is_over = True
        return [note("bye")]


class Command(NamedTuple):
    """A command of the chat.

    Attributes:
        name: The word after the slash.
        usage: How to type it.
        purpose: What it does.
        action: Takes the conversation and the text after the name, returns what to show.
    """

    name: str
    usage: str
    purpose: str
    action: Callable[[Conversation, str], list[Row]]


COMMANDS = (
    Command("help", "/help", "show this list", Conversation.show_help),
    Command("beam", "/beam N", "show the N best replies of the beam search", Conversation.set_beam),
    Command(
        "sample", "/sample N", "show N replies drawn at random instead", Conversation.set_sample
    ),
    Command("greedy", "/greedy", "show the greedy reply alone", Conversation.set_greedy),
    Command(
        "plain", "/plain", "go back to the plain greedy search and beam", Conversation.set_plain
    ),
    Command(
        "set",
        "/set NAME VALUE",
        "change a setting (or /NAME VALUE); /set lists them",
        Conversation.set_any,
    ),
    Command(
        "engine",
        "/engine NAME",
        f"compute by {', '.join(ENGINES)}; alone it says by which",
        Conversation.set_engine,
    ),
    Command(
        "attention",
        "/attention N FILE.png",
        "show what reply N (or greedy, or N head H) attended to; FILE optional",
        Conversation.show_attention,
    ),
    Command(
        "beam_tree",
        "/beam_tree FILE.svg",
        "show what the beam kept and dropped; FILE optional",
        Conversation.show_beam_tree,
    ),
    Command("reset", "/reset", "forget the turns before", Conversation.forget),
    Command("quit", "/quit", "leave, as Ctrl-D does", Conversation.leave),
)


def _split_path(argument: str) -> tuple[str, str]:
    """Splits the name of a picture's file off the end of what was typed."""
    name, _, path = argument.rpartition(" ")
    if not path.endswith((".png", ".svg")):
        return argument, ""
    return name.strip(), local_path(path)


def _note_picture(path: str, line: str) -> list[Row]:
    return [note(f"drawn: {path}"), *([note(line)] if line else [])]
