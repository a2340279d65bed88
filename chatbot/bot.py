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

**In which precision.** onnxruntime multiplies in int8, unless `reply_precision` or the training's
`precision` is float32: log probabilities of likely replies are then within about 0.1 of those that
float32 gives.
TensorFlow multiplies in bfloat16 on a processor with instructions for it, unless one of the two is
float32 or the beam is wider than 16. The last product is then computed again in float32 for a
step's likeliest tokens, and log probabilities are within about 0.02.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chatbot.engines.opening import open_searcher
from chatbot.engines.searcher import Searcher
from chatbot.errors import ChatbotError
from chatbot.lite.copying import Copies, copy_words
from chatbot.lite.forced import average_heads
from chatbot.lite.recording import make_tree
from chatbot.lite.replies import write_replies
from chatbot.notebook import Attention, BeamTree
from chatbot.reply import ReadQuery, Replies, Reply
from chatbot.settings.config import Config, SearchConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import (
    EOS,
    SLOTS,
    SPECIAL_TOKENS,
    ExtendedVocabulary,
    Query,
    Vocabulary,
    check_query,
    join_turns,
    tokenize_turns,
)
from chatbot.text.padding import pad_rows

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
        searcher: What it searches with.
    """

    def __init__(
        self,
        config: Config,
        vocabulary: Vocabulary,
        searcher: Searcher,
        directory: ModelDirectory | None = None,
        reply_precision: str = "auto",
    ) -> None:
        """Takes a searcher as it is; `load` opens one from a directory."""
        self.config = config
        self.vocabulary = vocabulary
        self.searcher = searcher
        self._directory = directory
        self._reply_precision = reply_precision

    @classmethod
    def load(
        cls,
        model_dir: str | os.PathLike[str],
        settings: Mapping[str, Any] | None = None,
        engine: str = "auto",
        reply_precision: str | None = None,
    ) -> Chatbot:
        """Loads the best checkpoint of a model directory, or the newest where none was measured.

        Args:
            model_dir: The directory that train.py made.
            settings: {setting: value} for what is to differ from the directory's `SearchConfig`.
            engine: Who runs the network: "onnx", "own", "addons", or "auto" for the fastest.
            reply_precision: Type of the weights for "onnx", "float32" or "int8"; None takes the
                directory's setting.

        Raises:
            ChatbotError: The directory is missing, unfinished or damaged, or a value does not fit.
            TypeError: There is no such setting.
            RuntimeError: This process was forked from one that had loaded a model or trained.
        """
        directory = ModelDirectory(model_dir)
        config, vocabulary = directory.load()
        search = config.search.change(settings or {})
        search.check_together()
        config = dataclasses.replace(config, search=search)
        precision = reply_precision or config.training.reply_precision
        searcher = open_searcher(directory, config, len(vocabulary), engine, precision)
        return cls(config, vocabulary, searcher, directory, precision)

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
        read = [self.read(query) for query in queries]
        order = sorted(range(len(read)), key=lambda place: len(read[place].ids))
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
        turns = tokenize_turns(query, cut.context_turns, MAX_CHARACTERS, self.vocabulary.segmenter)
        last = query if isinstance(query, str) or not query else query[-1]
        words = join_turns(turns, cut.max_length)
        is_cut = len(turns[-1]) > cut.max_length or len(last) > MAX_CHARACTERS
        return ReadQuery(self.extend(words).encode(words), is_cut, words)

    def extend(self, words: Sequence[str]) -> Vocabulary | ExtendedVocabulary:
        """Returns what numbers a query's tokens and those of the replies to it.

        Args:
            words: The query's tokens, as `read` has them; a pointer-generator can say them all.
        """
        copies = self.config.model.pointer_generator
        return ExtendedVocabulary(self.vocabulary, words) if copies else self.vocabulary

    def attend(self, query: Query, reply: Reply, head: int = 0) -> Attention:
        """Shows what the decoder attended to at each token of a reply, the end token among them.

        Args:
            query: As `reply` takes it.
            reply: One of the replies to it, or any other with its tokens.
            head: Which head to show, from 1; 0 for the mean of all.

        Raises:
            TypeError: The one is no query, or the other no reply.
            ChatbotError: The model has no attention, or not so many heads.
        """
        if not self.config.model.use_attention:
            raise ChatbotError("this model has no attention; train one with --use_attention")
        if not isinstance(reply, Reply):
            raise TypeError(f"a reply is what `reply` returns, not {type(reply).__name__}")
        read = self.read(query)
        extended = self.extend(read.words)
        ids = [extended.encode(reply.tokens)]
        lengths = np.array([[len(ids[0])]], np.int32)
        forced = self.searcher.force(*pad_rows([read.ids]), np.array([ids], np.int32), lengths)
        said = [*reply.words, SPECIAL_TOKENS[EOS]]
        weights = forced.alignments[0, 0]
        heads = weights.shape[1] if weights.ndim == 3 else 1
        if not 0 <= head <= heads:
            raise ChatbotError(f"there is no head {head}; this model has {heads}, from 1")
        chosen = weights[:, head - 1] if head and heads > 1 else average_heads(weights, 2)
        return Attention(extended.decode(read.ids), said, chosen)

    def trace_beam(self, query: Query, **settings: Any) -> BeamTree:
        """Shows what the plain beam search keeps and drops at every step.

        Args:
            query: As `reply` takes it.
            **settings: See `reply`; those of samples, groups and scores make no difference.

        Returns:
            The tree, with log probabilities among what the search's rules allow.
        """
        search = self._settle(settings)
        read = self.read(query)
        steps = self.searcher.record(*pad_rows([read.ids]), search)
        return BeamTree(make_tree(steps, self.extend(read.words).decode))

    def warm_up(self, **settings: Any) -> None:
        """Searches once, so that TensorFlow makes its graph now and not at the first query."""
        shortest = {"max_reply_length": 1, "min_reply_length": 0}
        self._search([self.read("")], self._settle({**settings, **shortest}))

    @property
    def engine(self) -> str:
        """Who runs the network, as a person is told."""
        return self.searcher.engine

    @property
    def device(self) -> str:
        """What the network runs on, as a person is told."""
        return self.searcher.device

    def use_engine(self, name: str) -> None:
        """Changes who runs the network from now on.

        Args:
            name: As in `load`.

        Raises:
            ChatbotError: There is no such engine, or it is not installed.
            ValueError: This chatbot was not loaded from a directory.
        """
        if self._directory is None:
            raise ValueError("only a chatbot loaded from a directory can change its engine")
        precision = self._reply_precision
        if name in ("own", "addons") and precision == "int8":
            precision = "auto"  # theirs: int8 is onnx's alone
        size = len(self.vocabulary)
        self.searcher = open_searcher(self._directory, self.config, size, name, precision)

    def count_traces(self) -> int:
        """Returns how many graphs TensorFlow has traced, one for each kind of search."""
        return self.searcher.count_traces()

    def _settle(self, changes: Mapping[str, Any]) -> SearchConfig:
        """Checks the arguments of `replies` and fills in the rest."""
        try:
            search = self.config.search.resolve(changes)
        except ChatbotError as error:
            raise ValueError(str(error)) from None
        return self.config.fit_search(search)

    def _limit_batch(self, search: SearchConfig) -> int:
        slots = SLOTS if self.config.model.pointer_generator else 0
        each = max(len(self.vocabulary) + slots, search.max_reply_length)
        return max(1, min(MAX_BATCH, MAX_LOGITS // (search.beam_size * each)))

    def _search(self, read: Sequence[ReadQuery], settings: SearchConfig) -> list[list[Reply]]:
        """Searches one batch."""
        queries = pad_rows([query.ids for query in read])
        found = self.searcher.search(*queries, settings)
        words = [query.words for query in read]
        copies: Copies = {}
        if settings.replace_unk:
            copies = copy_words(found, *queries, words, self.searcher.force)
        decode = [self.extend(own).decode for own in words]
        return write_replies(found, self.vocabulary, copies, decode)
