"""The whole Python interface: load a model directory, ask it for replies.

    from chatbot import Chatbot

    bot = Chatbot.load("model/smalltalk")
    for reply in bot.reply("hello", beam_size=5):
        print(reply.log_prob, reply)

**What a query may cost.** A query is a turn, or the turns of a dialogue, of which the last
`context_turns` are read. Of each turn the first 131,072 characters are looked at, and of their
tokens the first `max_length` are read, so that any turn, however long, takes less than a second
and 100 MB besides the search for the reply. A search takes at most `max_reply_length` + 1 steps.
At most 128 queries are searched together, and so few that the logits of a step, of which a beam has
at most three copies, stay below 64 MB; a single query has beam_size * V of them.

**In which precision.** On a processor with bfloat16 instructions the products are computed in
bfloat16, unless the model was trained with `--precision=float32` or the beam is wider than 16. The
last product is then computed again in float32 for a step's likeliest tokens, so that log
probabilities are within about 0.02 of those that float32 alone gives.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chatbot.engines import choose_engine
from chatbot.errors import ChatbotError
from chatbot.network.device import prepare_device, resolve_precision, taking_turns
from chatbot.network.padding import pad_rows
from chatbot.network.seq2seq import Seq2Seq
from chatbot.notebook import Attention, BeamTree
from chatbot.reply import ReadQuery, Replies, Reply
from chatbot.search import Hypotheses, SearchGraphs, make_tree, write_replies
from chatbot.settings.config import Config, SearchConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.storage.tracking import track_for_replies
from chatbot.system.command import command
from chatbot.text import (
    EOS,
    SPECIAL_TOKENS,
    UNK,
    Query,
    Vocabulary,
    check_query,
    join_turns,
    tokenize_turns,
)

__all__ = ["Attention", "BeamTree", "Chatbot", "ReadQuery", "Replies", "Reply"]

MAX_CHARACTERS = 1 << 17
"""Characters of a turn that are looked at."""
MAX_BATCH = 128
"""Queries searched together, at most."""
MAX_LOGITS = 1 << 24
"""Logits that a step of a search may have, V for each hypothesis of each query."""


class Chatbot:
    """A trained model that replies; several threads may use it at once.

    Attributes:
        config: The settings of the model directory, with those that `load` was given.
        vocabulary: The model's words.
        model: The network; the first search takes its weights, so change them before it or not at
            all.
        device: What it computes on.
    """

    def __init__(
        self, config: Config, vocabulary: Vocabulary, model: Seq2Seq, device: str = "unknown"
    ) -> None:
        """Takes a model, in float32, as it is; `load` makes one from a directory."""
        self.config = config
        self.device = device
        self.vocabulary = vocabulary
        self.model = model
        self._searches = SearchGraphs(model, _choose_precision(config.training.precision))
        # Two threads must not make graphs at once, nor give the attention its memory while they do.
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        model_dir: str | os.PathLike[str],
        settings: Mapping[str, Any] | None = None,
        engine: str = "auto",
    ) -> Chatbot:
        """Loads the best checkpoint of a model directory, or the newest where none was measured.

        Args:
            model_dir: The directory that train.py made.
            settings: {setting: value} for what is to differ from the directory's `SearchConfig`.
            engine: Who runs the network's loops: "own", "addons", or "auto" for the faster.

        Raises:
            ChatbotError: The directory is missing, unfinished or damaged, or a value does not fit.
            TypeError: There is no such setting.
            RuntimeError: This process was forked from one that had loaded a model or trained.
        """
        directory = ModelDirectory(model_dir)
        config, vocabulary = directory.load()
        search = dataclasses.replace(config.search, **(settings or {}))
        search.check_together()
        config = dataclasses.replace(config, search=search)
        checkpoint = directory.best()
        if checkpoint is None:
            raise ChatbotError(
                f"{directory.path} has no checkpoint yet; "
                f"run {command('train')} --model_dir={directory.path} until it has saved one"
            )
        device = prepare_device()
        model = Seq2Seq(config.model, len(vocabulary))
        model.engine = choose_engine(engine)
        tracked = track_for_replies(model, config.training.average_decay)
        directory.restore(tracked, checkpoint, whole=False)
        return cls(config, vocabulary, model, device)

    def reply(
        self,
        query: Query,
        beam_size: int | None = None,
        max_reply_length: int | None = None,
        length_penalty: float | None = None,
        **settings: Any,
    ) -> Replies:
        """Replies to one query.

        Args:
            query: Any text, or the dialogue's turns, oldest first.
            beam_size: Hypotheses that the beam keeps, W; 1 is greedy search. None takes the model
                directory's setting, as for all others.
            max_reply_length: Most tokens in a reply, its end token not counted.
            length_penalty: Exponent of the score's length penalty.
            **settings: Any other of `SearchConfig`, as `sample=True, top_k=40`.

        Returns:
            At least one reply and at most `beam_size`, the best score first, no two the same text.

        Raises:
            TypeError: This is no query, or there is no such setting.
            ValueError: A value is out of range.
            ChatbotError: No reply keeps to the settings, or the model's weights are not numbers.
            RuntimeError: This process was forked from the one in which the model was loaded.
        """
        found = self.replies([query], beam_size, max_reply_length, length_penalty, **settings)
        return Replies(found[0])

    def greedy(self, query: Query) -> Reply:
        """Replies to one query with the likeliest token at every step."""
        return self.reply(query, beam_size=1, sample=False)[0]

    def replies(
        self,
        queries: Sequence[Query],
        beam_size: int | None = None,
        max_reply_length: int | None = None,
        length_penalty: float | None = None,
        **settings: Any,
    ) -> list[list[Reply]]:
        """Replies to many queries, in batches of similar length.

        Returns:
            What `reply` returns, with the same arguments and errors, for each query in turn.
        """
        given = {
            "beam_size": beam_size,
            "max_reply_length": max_reply_length,
            "length_penalty": length_penalty,
        }
        search = self._settle({**{n: x for n, x in given.items() if x is not None}, **settings})
        if isinstance(queries, (str, bytes, Mapping)) or not isinstance(queries, Iterable):
            raise TypeError("replies takes a list of queries; reply takes one query alone")
        read = [self.read(query).ids for query in queries]
        order = sorted(range(len(read)), key=lambda place: len(read[place]))
        size = self._limit_batch(search)
        answers: list[list[Reply]] = [[] for _ in read]
        for begin in range(0, len(order), size):
            chosen = order[begin : begin + size]
            found = self._search([read[place] for place in chosen], search)
            for place, ranked in zip(chosen, found):
                answers[place] = ranked
        return answers

    def read(self, query: Query) -> ReadQuery:
        """Cuts a query into the tokens that the model reads.

        The last `context_turns` turns that have a token are read.

        Raises:
            TypeError: This is no query.
        """
        check_query(query)
        cut = self.config.corpus
        turns = tokenize_turns(query, cut.context_turns, MAX_CHARACTERS)
        last = query if isinstance(query, str) or not query else query[-1]
        ids = self.vocabulary.encode(join_turns(turns, cut.max_length))
        return ReadQuery(ids, len(turns[-1]) > cut.max_length or len(last) > MAX_CHARACTERS)

    def attend(self, query: Query, reply: Reply) -> Attention:
        """Shows what the decoder attended to at each token of a reply, the end token among them.

        Args:
            query: As `reply` takes it.
            reply: One of the replies to it, or any other with its tokens.

        Raises:
            TypeError: The one is no query, or the other no reply.
            ChatbotError: The model has no attention.
        """
        if not self.config.model.use_attention:
            raise ChatbotError("this model has no attention; train one with --use_attention")
        if not isinstance(reply, Reply):
            raise TypeError(f"a reply is what `reply` returns, not {type(reply).__name__}")
        read = self.read(query).ids
        ids = [self.vocabulary.encode(reply.tokens)]
        with taking_turns(self._lock):
            forced = self._searches.force(*pad_rows([read]), [ids], [[len(ids[0])]])
        said = [*reply.tokens, SPECIAL_TOKENS[EOS]]
        return Attention(self.vocabulary.decode(read), said, forced.alignments[0, 0].numpy())

    def trace_beam(self, query: Query, **settings: Any) -> BeamTree:
        """Shows what the plain beam search keeps and drops at every step.

        Args:
            query: As `reply` takes it.
            **settings: See `reply`; those of samples, groups and scores make no difference.

        Returns:
            The tree, with log probabilities among what the search's rules allow.
        """
        search = self._settle(settings)
        with taking_turns(self._lock):
            steps = self._searches.record(*pad_rows([self.read(query).ids]), search)
        return BeamTree(make_tree(steps, self.vocabulary.decode))

    def warm_up(self, **settings: Any) -> None:
        """Makes the graph of a search now, which takes a second or two, not at the first query."""
        shortest = {"max_reply_length": 1, "min_reply_length": 0}
        self._search([[UNK]], self._settle({**settings, **shortest}))

    @property
    def engine(self) -> str:
        """Who runs the network's loops, as a person is told."""
        return self.model.engine.title

    def use_engine(self, name: str) -> None:
        """Changes who runs the network's loops, for greedy search and the beam from now on.

        Args:
            name: As in `load`.

        Raises:
            ChatbotError: There is no such engine, or it is not installed.
        """
        with taking_turns(self._lock):
            self.model.engine = choose_engine(name)

    def count_traces(self) -> int:
        """Returns how many graphs have been made, one for each kind of search."""
        return self._searches.count_traces()

    def _settle(self, changes: Mapping[str, Any]) -> SearchConfig:
        """Checks the arguments of `replies` and fills in the rest."""
        try:
            search = self.config.search.resolve(changes)
        except ChatbotError as error:
            raise ValueError(str(error)) from None
        if search.coverage_penalty and not self.config.model.use_attention:
            raise ChatbotError("--coverage_penalty needs attention, which this model has not")
        return search

    def _limit_batch(self, search: SearchConfig) -> int:
        each = max(len(self.vocabulary), search.max_reply_length)
        return max(1, min(MAX_BATCH, MAX_LOGITS // (search.beam_size * each)))

    def _search(self, read: Sequence[Sequence[int]], settings: SearchConfig) -> list[list[Reply]]:
        """Searches one batch."""
        padded, lengths = pad_rows(read)
        with taking_turns(self._lock):
            found = self._searches.search(padded, lengths, settings)
        arrays = Hypotheses(*(tensor.numpy() for tensor in found))
        return write_replies(arrays, self.vocabulary.decode)


def _choose_precision(trained: str) -> str:
    """Keeps to float32 what was trained in it; else replies as training would compute here."""
    return trained if trained == "float32" else resolve_precision("auto")
