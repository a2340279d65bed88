"""Greedy search, beam search and samples for one line, in one tree: what the page shows.

`compare` returns, ready for JSON and without infinite numbers:

    query     tokens: what the model reads, "<sep>" between turns; is_cut: the line was too long
    prefix    the tokens that every reply had to begin with
    settings  {name: value} of `SearchConfig`
    searches  name: "greedy", "beam" or "samples"; replies: different ones, best first, each with
        text                    with --replace_unk, copied words in it
        tokens
        times                   how often the search has it: samples may agree
        nodes                   the path of its tokens and its end token in the tree
        log_prob, score         as in `Reply`
        parts                   what the score is made from, see `chatbot.lite.rescoring`:
            allowed_log_prob    log probability among what the rules allow
            mmi                 M
            divisor             ((5 + tokens) / 6) ** length_penalty
            coverage            C; null without attention
    tree      nodes; node 0 is the empty beginning, and a parent comes before its children
        parent, token           null at node 0
        log_prob                of the token alone, given its beginning, in nats
        allowed_log_prob        the same among what the rules allow; null where they forbid it
        searches                names of those that went there
        kept                    whether the beam kept it; null where the plain beam did not look
        ended                   whether the token is the end token
        next                    what the network computes behind it; null for a leaf
            attention           share of each token of the query; empty without attention
            likeliest           ten times token, log_prob, banned

The attention of a reply's token is that of `next` of the node before it. A beam in groups shows its
replies alone, not what it dropped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from chatbot.bot import Chatbot
from chatbot.errors import ChatbotError
from chatbot.lite.copying import find_copies
from chatbot.lite.looking import Look
from chatbot.lite.searches import Searches
from chatbot.serving.search_tree import Found, SearchTree, write_number
from chatbot.settings.config import SearchConfig
from chatbot.text import EOS, SPECIAL_TOKENS, Vocabulary
from chatbot.text.padding import pad_rows

LIMITS = {"beam_size": 20, "diverse_groups": 20, "max_reply_length": 100}
"""{setting: the most that one comparison computes and draws}."""
SEARCHES: Mapping[str, Mapping[str, Any]] = {
    "greedy": {"sample": False, "beam_size": 1, "diverse_groups": 1},
    "beam": {"sample": False},
    "samples": {"sample": True},
}
"""{search: the changes of the settings that make it}."""


def compare(
    bot: Chatbot,
    turns: Sequence[str],
    settings: Mapping[str, Any] | None = None,
    prefix: Sequence[str] = (),
) -> dict[str, Any]:
    """Replies to a dialogue's last turn with every search.

    Args:
        bot: A chatbot with the engine onnx.
        turns: The dialogue's turns, oldest first.
        settings: {setting: value} for what differs from the model's, as `describe_model` lists it.
        prefix: Tokens that every reply begins with.

    Returns:
        What the module's docstring says.

    Raises:
        ChatbotError: A value does not fit, no search has a reply, or the engine is another one.
    """
    if not isinstance(bot.searcher, Searches):
        raise ChatbotError("searches are compared with --engine=onnx; load the model with it")
    search = settle(bot, {} if settings is None else settings)
    ids = _encode_prefix(bot, prefix, search.max_reply_length)
    read = bot.read(_check_texts("turns", turns))
    tree = SearchTree(bot.searcher, pad_rows([read.ids]), ids)
    found = {
        name: tree.run(name, dataclasses.replace(search, **changes))
        for name, changes in SEARCHES.items()
    }
    if not any(found.values()):
        raise ChatbotError(
            "no search has a reply: either --min_reply_length and --no_repeat_ngram leave none, "
            "or the model's weights are not numbers"
        )
    looks, decode = tree.look(search), bot.vocabulary.decode
    return {
        "query": {"tokens": decode(read.ids), "is_cut": read.is_cut},
        "prefix": list(prefix),
        "settings": {item.name: getattr(search, item.name) for item in list_settings(bot)},
        "searches": [
            {
                "name": name,
                "replies": [
                    _write_reply(reply, bot.vocabulary, read.words, tree, looks, search)
                    for reply in replies
                ],
            }
            for name, replies in found.items()
        ],
        "tree": tree.write(looks, decode),
    }


def _write_reply(
    reply: Found,
    vocabulary: Vocabulary,
    words: Sequence[str],
    tree: SearchTree,
    looks: Mapping[int, Look],
    search: SearchConfig,
) -> dict[str, Any]:
    tokens = vocabulary.decode(reply.ids)
    said = dict(enumerate(tokens))
    if search.replace_unk:
        weights = [looks[tree.find_parent(node)].attention for node in reply.nodes]
        said |= find_copies(reply.ids, weights, words)
    return {
        "text": vocabulary.write(said.values()),
        "tokens": tokens,
        "times": reply.times,
        "nodes": reply.nodes,
        "log_prob": write_number(reply.log_prob),
        "score": write_number(reply.score),
        "parts": {
            "allowed_log_prob": write_number(reply.allowed),
            "mmi": write_number(reply.mmi),
            "divisor": write_number(((6.0 + len(tokens)) / 6.0) ** search.length_penalty),
            "coverage": write_number(tree.measure_coverage(looks, reply.nodes)),
        },
    }


def describe_model(bot: Chatbot) -> dict[str, Any]:
    """Describes a model and the settings that `compare` takes, for JSON."""
    model, search = bot.config.model, _limit(bot.config.search)
    return {
        "settings": [
            {
                "name": item.name,
                "kind": type(item.default).__name__,
                "default": getattr(search, item.name),
                "low": item.metadata["low"],
                "high": LIMITS.get(item.name, item.metadata["high"]),
                "help": item.metadata["help"],
            }
            for item in list_settings(bot)
        ],
        "context_turns": bot.config.corpus.context_turns,
        "max_length": bot.config.corpus.max_length,
        "sizes": {
            "vocab_size": len(bot.vocabulary),
            "rnn_size": model.rnn_size,
            "num_layers": model.num_layers,
            "embedding_size": model.embedding_size,
            "attention": model.attention if model.use_attention else None,
        },
        "engine": bot.engine,
    }


def list_settings(bot: Chatbot) -> list[dataclasses.Field[Any]]:
    """Lists the settings that `compare` takes for a model."""
    without = {"beam_search", "sample"}  # every search runs
    if not bot.config.model.use_attention:
        without |= {"coverage_penalty", "replace_unk"}
    return [item for item in dataclasses.fields(SearchConfig) if item.name not in without]


def settle(bot: Chatbot, changes: Mapping[str, Any]) -> SearchConfig:
    """Applies changes to a model's settings.

    Raises:
        ChatbotError: There is no such setting, or a value does not fit.
    """
    if not isinstance(changes, Mapping):
        raise ChatbotError("settings is no object; give {name: value}")
    names = [item.name for item in list_settings(bot)]
    for name in changes:
        if name not in names:
            raise ChatbotError(f"there is no setting {name!r}; there are {', '.join(names)}")
    base = dataclasses.replace(_limit(bot.config.search), beam_search=True, sample=False)
    search = bot.config.fit_search(base.resolve(changes))
    for name, most in LIMITS.items():
        if getattr(search, name) > most:
            raise ChatbotError(f"--{name}={getattr(search, name)} is too much; give at most {most}")
    return search


def _limit(search: SearchConfig) -> SearchConfig:
    least = {name: min(getattr(search, name), most) for name, most in LIMITS.items()}
    return dataclasses.replace(search, **least)


def _encode_prefix(bot: Chatbot, prefix: Sequence[str], longest: int) -> list[int]:
    for word in _check_texts("prefix", prefix):
        if word == SPECIAL_TOKENS[EOS] or word not in bot.vocabulary.words:
            raise ChatbotError(f"no reply can begin with {word!r}; take words of the model's own")
    if len(prefix) > longest:
        raise ChatbotError(
            f"the beginning has {len(prefix)} words and --max_reply_length={longest}; "
            "shorten the one or raise the other"
        )
    return bot.vocabulary.encode(prefix)


def _check_texts(name: str, texts: Sequence[str]) -> list[str]:
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise ChatbotError(f"{name} is no list of texts; give one")
    return list(texts)
