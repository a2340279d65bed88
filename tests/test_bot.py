from __future__ import annotations

import collections
import dataclasses
import json
import math
import os
import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import chatbot
from chatbot.bot import MAX_CHARACTERS, Chatbot, Reply
from chatbot.engines.choice import choose_engine
from chatbot.errors import ChatbotError
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import EOS, UNK, Vocabulary, tokenize
from tests.conftest import EACH_ENGINE
from tests.helpers_chat import (
    CONFIG,
    WORDS,
    load_bot,
    make_directory,
    make_hostile_lines,
    make_model,
    wrap_model,
)
from tests.trainings import train

QUERIES = ("hello", "你好", "hi, are you pip?", "", "zzz", "you are . . , hello hi pip you")


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Chatbot:
    return load_bot(tmp_path_factory.mktemp("model"))


def test_the_package_offers_chatbot_and_reply() -> None:
    assert chatbot.Chatbot is Chatbot
    assert chatbot.Reply is Reply
    with pytest.raises(AttributeError):
        _ = chatbot.Nothing


def test_what_stops_the_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise AttributeError("module 'numpy' has no attribute 'object'")

    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(ImportError, match=r"Chatbot cannot be imported: module 'numpy' has no"):
        _ = chatbot.Chatbot


def test_a_reply_is_its_text() -> None:
    reply = Reply("hi", -1.0, -0.5)
    assert str(reply) == "hi"
    with pytest.raises(dataclasses.FrozenInstanceError):
        reply.text = "x"  # type: ignore[misc]


@pytest.mark.parametrize("query", QUERIES)
def test_replies_are_ranked_by_the_stated_score(bot: Chatbot, query: str) -> None:
    for penalty in (0.0, 1.0, 2.5):
        replies = bot.reply(query, beam_size=4, length_penalty=penalty, ban_unk=False)
        scores = [reply.score for reply in replies]
        assert 1 <= len(replies) <= 4
        assert scores == sorted(scores, reverse=True)
        for reply in replies:
            tokens = len(tokenize_reply(reply.text)) + 1
            expected = reply.log_prob / ((5 + tokens) / 6) ** penalty
            assert reply.score == pytest.approx(expected, rel=1e-5)


def tokenize_reply(text: str) -> list[str]:
    """The tokens of a reply, in which an untrained model may have special ones."""
    for word in WORDS[:5]:
        text = text.replace(word, f" {word.strip('<>')}special ")
    return [f"<{t[:-7]}>" if t.endswith("special") else t for t in tokenize(text)]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_log_prob_is_the_teacher_forced_one(bot: Chatbot, beam_size: int) -> None:
    model, vocabulary = make_model(), Vocabulary(WORDS)
    for query in QUERIES:
        for reply in bot.reply(query, beam_size):
            query_ids = bot.read(query).ids
            reply_ids = [*vocabulary.encode(tokenize_reply(reply.text)), EOS]
            for place, token in enumerate(tokenize_reply(reply.text)):
                if token in WORDS[:5]:
                    reply_ids[place] = WORDS.index(token)
            losses = model.token_log_losses(
                tf.constant([query_ids]),
                tf.constant([len(query_ids)]),
                tf.constant([reply_ids]),
                tf.constant([len(reply_ids)]),
            )
            assert reply.log_prob == pytest.approx(-float(tf.reduce_sum(losses)), abs=1e-3)


def test_a_beam_of_one_is_greedy(bot: Chatbot) -> None:
    for query in QUERIES:
        assert bot.reply(query, beam_size=1) == [bot.greedy(query)]


def test_the_directory_sets_the_defaults(bot: Chatbot, tmp_path: Path) -> None:
    assert bot.reply("hello") == bot.reply("hello", 3, 4, 1.0)
    make_directory(tmp_path)
    other = Chatbot.load(tmp_path, {"beam_size": 2, "max_reply_length": 1})
    assert other.reply("hello") == bot.reply("hello", 2, max_reply_length=1)
    greedy = Chatbot.load(tmp_path, {"beam_search": False})
    assert greedy.reply("hello") == [bot.greedy("hello")]


def test_no_reply_is_longer_than_asked(bot: Chatbot) -> None:
    for query in QUERIES:
        for reply in bot.reply(query, max_reply_length=2):
            assert len(tokenize_reply(reply.text)) <= 2


def test_empty_places_in_the_beam_are_no_replies(bot: Chatbot) -> None:
    replies = bot.reply("hello", beam_size=200, max_reply_length=1, ban_unk=False)
    assert len(replies) == len(WORDS)  # one token or the end at once: there are no others
    assert len({reply.text for reply in replies}) == len(WORDS)
    allowed = bot.reply("hello", beam_size=200, max_reply_length=1)
    words = [text for text in map(str, replies) if text not in ("<pad>", "<go>", "<unk>", "<sep>")]
    assert [*map(str, allowed)] == words
    assert len(words) == len(replies) - 4
    assert sum(math.exp(reply.log_prob) for reply in replies) <= 1.0 + 1e-5


@pytest.mark.parametrize("query", ["", "  ", "\x00\x1b", "\u200b\u200d"])
def test_a_query_without_a_token_is_one_unknown_word(bot: Chatbot, query: str) -> None:
    assert bot.read(query)[:2] == ([UNK], False)
    assert bot.greedy(query) == bot.greedy("zzz")


def test_a_long_query_is_cut_as_in_training(bot: Chatbot) -> None:
    longest = CONFIG.corpus.max_length
    assert bot.read("hello " * longest)[:2] == ([WORDS.index("hello")] * longest, False)
    assert bot.read("hello " * (longest + 1))[:2] == ([WORDS.index("hello")] * longest, True)
    assert bot.read("x" * MAX_CHARACTERS)[:2] == ([UNK], False)
    assert bot.read("x" * (MAX_CHARACTERS + 1))[:2] == ([UNK], True)


def test_a_typed_special_token_is_plain_text(bot: Chatbot) -> None:
    assert bot.read("<eos>").ids == [UNK, UNK, UNK]


def test_hostile_queries_have_replies(bot: Chatbot) -> None:
    lines = make_hostile_lines(300)
    queries = [line.decode("utf-8", "surrogateescape") for line in lines]  # lone surrogates too
    answers = bot.replies(queries)
    assert [len(replies) >= 1 for replies in answers] == [True] * len(queries)


@pytest.mark.parametrize(
    ("name", "value"),
    [("beam_size", 0), ("beam_size", 1001), ("max_reply_length", 0), ("length_penalty", -1.0)],
)
def test_an_argument_out_of_range_is_refused(bot: Chatbot, name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        bot.reply("hello", **{name: value})  # type: ignore[arg-type]


def test_an_argument_may_be_a_number_of_numpy(bot: Chatbot) -> None:
    expected = bot.reply("hello", beam_size=3, length_penalty=0.5)
    given: dict[str, Any] = {"beam_size": np.int64(3), "length_penalty": np.float32(0.5)}
    assert bot.reply("hello", **given, ban_unk=np.True_) == expected


@pytest.mark.parametrize(
    ("query", "named"),
    [
        (None, "NoneType"),
        (b"hello", "bytes"),
        ({"query": "hello"}, "dict"),
        (7, "int"),
        (["hi", ["hello"]], "list of list"),
        (("hi", None, 7), "tuple of NoneType, int"),
    ],
)
def test_what_is_no_query_is_said_to_be_none(bot: Chatbot, query: Any, named: str) -> None:
    reply = bot.greedy("hello")
    for ask in (
        bot.reply,
        bot.greedy,
        bot.read,
        bot.trace_beam,
        lambda query: bot.replies(["hello", query]),
        lambda query: bot.attend(query, reply),
    ):
        with pytest.raises(TypeError, match=rf"^a query is a str, or .*; this is {named}$"):
            ask(query)


def test_replies_takes_a_list_and_attend_a_reply(bot: Chatbot) -> None:
    for queries in ("hello", b"hello", {"query": "hello"}, None, 7):
        with pytest.raises(TypeError, match="replies takes a list of queries"):
            bot.replies(queries)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a reply is what `reply` returns, not str"):
        bot.attend("hello", "hi")  # type: ignore[arg-type]
    assert bot.replies([]) == []
    asked = np.array(["hello", "你好"])
    assert bot.replies(asked) == bot.replies(["hello", "你好"])  # type: ignore[arg-type]
    assert bot.read(collections.deque(["hello", "hi"], maxlen=4)) == bot.read(["hello", "hi"])


def test_a_forked_process_is_told_to_load_after_the_fork(bot: Chatbot, tmp_path: Path) -> None:
    make_directory(tmp_path)
    reply = bot.greedy("hello")
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:  # never back into pytest
        said = []
        for ask in (
            lambda: bot.greedy("hello"),
            lambda: bot.attend("hello", reply),
            lambda: bot.trace_beam("hello"),
            lambda: Chatbot.load(tmp_path),
            lambda: train(tmp_path),
        ):
            try:
                ask()
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
                said.append(f"{type(error).__name__}: {error}")
        os.write(sink, json.dumps(said).encode())
        os._exit(0)
    os.close(sink)
    with os.fdopen(source, "rb") as answer:
        said = json.loads(answer.read())
    assert os.waitpid(child, 0)[1] == 0
    assert len(said) == 5
    for line in said:
        assert line.startswith("RuntimeError: this process was forked from one that")
        assert "load after the fork" in line


def test_threads_may_begin_at_once(tmp_path: Path) -> None:
    bot = load_bot(tmp_path)
    expected = load_bot(tmp_path)
    found = {}

    def ask(size: int) -> None:
        found[size] = bot.reply("hello", size)

    threads = [threading.Thread(target=ask, args=(size,)) for size in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for size in (1, 2):
        assert found[size] == expected.reply("hello", size)


@EACH_ENGINE
def test_loading_leaves_the_callers_precision_alone(engine: str, tmp_path: Path) -> None:
    make_directory(tmp_path)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        bot = Chatbot.load(tmp_path, engine=engine)
        assert keras.mixed_precision.global_policy().name == "mixed_bfloat16"
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert bot.greedy("hello").log_prob == load_bot(tmp_path, engine).greedy("hello").log_prob


def test_the_best_checkpoint_is_the_one_that_talks(tmp_path: Path) -> None:
    directory = ModelDirectory(tmp_path)
    directory.create(CONFIG, Vocabulary(WORDS))
    for step, perplexity in ((1, 9.0), (2, 5.0), (3, 7.0)):
        tracked = tf.train.Checkpoint(model=make_model(seed=step))
        directory.save(tracked, "ckpt", step, {}, perplexity)
    second = make_model(seed=2)
    second.engine = choose_engine("own")
    expected = wrap_model(CONFIG, Vocabulary(WORDS), second).reply("hello")
    replies = Chatbot.load(tmp_path).reply("hello")
    assert len(replies) == len(expected)
    for found, reply in zip(replies, expected):
        assert found.text == reply.text
        assert found.log_prob == pytest.approx(reply.log_prob, abs=1e-5)


def test_an_unfinished_directory_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["chatbot predict"])
    with pytest.raises(ChatbotError, match="does not exist"):
        Chatbot.load(tmp_path / "none")
    with pytest.raises(ChatbotError, match="no model"):
        Chatbot.load(tmp_path)
    ModelDirectory(tmp_path).create(CONFIG, Vocabulary(WORDS))
    with pytest.raises(ChatbotError, match="no checkpoint yet; run chatbot train --") as caught:
        Chatbot.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_setting_out_of_range_is_one_line(tmp_path: Path) -> None:
    make_directory(tmp_path)
    with pytest.raises(ChatbotError, match="beam_size"):
        Chatbot.load(tmp_path, {"beam_size": 0})
    with pytest.raises(TypeError, match="beem_size"):
        Chatbot.load(tmp_path, {"beem_size": 3})
