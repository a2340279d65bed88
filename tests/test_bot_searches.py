from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chatbot.bot import Chatbot
from chatbot.engines.choice import choose_engine
from chatbot.errors import ChatbotError
from chatbot.network.seq2seq import Seq2Seq
from chatbot.text import Vocabulary
from tests.conftest import EACH_ENGINE
from tests.helpers_chat import CONFIG, WORDS, load_bot, make_model, wrap_model

QUERIES = ("hello", "你好", "hi, are you pip?", "", "zzz", "you are . . , hello hi pip you")


@pytest.fixture(scope="module", params=["own", "onnx"])
def bot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Chatbot:
    return load_bot(tmp_path_factory.mktemp("model"), request.param)


def make_bot(engine: str) -> Chatbot:
    model = make_model()
    model.engine = choose_engine(engine)
    return wrap_model(CONFIG, Vocabulary(WORDS), model)


@pytest.fixture(scope="module")
def either_bot() -> tuple[Chatbot, Chatbot]:
    """One with our own searches, one with the library's."""
    return make_bot("own"), make_bot("addons")


SEARCHES: list[dict[str, Any]] = [
    {"beam_size": 1},
    {},
    {"no_repeat_ngram": 1, "min_reply_length": 2},
    {"diverse_groups": 3, "diversity_strength": 2.0},
    {"sample": True, "temperature": 1.3, "top_k": 6},
    {"sample": True, "top_p": 0.8, "no_repeat_ngram": 2},
    {"coverage_penalty": 0.4, "mmi_weight": 0.6, "mmi_tokens": 2},
]


@pytest.mark.parametrize("search", SEARCHES)
def test_every_search_gives_a_query_alone_what_it_gets_among_others(
    bot: Chatbot, search: dict[str, Any]
) -> None:
    settings = {"beam_size": 3, **search}
    everybody = QUERIES * 30  # more than one batch
    together = bot.replies(everybody, **settings)
    alone = {query: bot.reply(query, **settings) for query in QUERIES}
    assert len(together) == len(everybody)
    for query, replies in zip(everybody, together):
        assert [reply.text for reply in replies] == [reply.text for reply in alone[query]]
        for one, other in zip(replies, alone[query]):
            assert one.log_prob == pytest.approx(other.log_prob, abs=1e-4)
            assert one.score == pytest.approx(other.score, abs=1e-4)
    scores = [[reply.score for reply in replies] for replies in together]
    assert all(row == sorted(row, reverse=True) for row in scores)


@pytest.mark.needs_addons
@pytest.mark.parametrize("search", [SEARCHES[2], SEARCHES[-1]])  # the others have one loop only
def test_the_libraries_searches_give_the_same_replies_as_our_own(
    either_bot: tuple[Chatbot, Chatbot], search: dict[str, Any]
) -> None:
    def read(bot: Chatbot, **settings: Any) -> list[list[str]]:
        return [[*map(str, found)] for found in bot.replies(QUERIES, beam_size=3, **settings)]

    own, libraries = either_bot
    assert read(own, **search) == read(libraries, **search)
    assert read(own, **search) != read(own)


def test_the_same_seed_draws_the_same_replies_and_another_one_others(bot: Chatbot) -> None:
    def draw(seed: int) -> list[list[str]]:
        drawn = bot.replies(QUERIES, beam_size=4, sample=True, sampling_seed=seed)
        return [sorted(map(str, replies)) for replies in drawn]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    other = wrap_model(CONFIG, Vocabulary(WORDS), make_model())
    again = other.replies(QUERIES, beam_size=4, sample=True, sampling_seed=2)
    assert [sorted(map(str, replies)) for replies in again] == draw(2)


def test_no_two_replies_are_the_same_text(bot: Chatbot) -> None:
    drawn = bot.replies(QUERIES, beam_size=60, sample=True, max_reply_length=1)
    for replies in drawn:
        assert 1 < len({*map(str, replies)}) == len(replies) < 60


def test_greedy_stays_greedy_whatever_else_is_set(bot: Chatbot) -> None:
    settings = {"sample": True, "diverse_groups": 3, "temperature": 9.0}
    other = Chatbot(CONFIG.replace(settings), bot.vocabulary, bot.searcher)
    assert [*map(other.greedy, QUERIES)] == [*map(bot.greedy, QUERIES)]


def test_rules_that_no_reply_keeps_to_are_one_line(bot: Chatbot) -> None:
    asked = {"no_repeat_ngram": 1, "min_reply_length": len(WORDS) + 1}
    with pytest.raises(ChatbotError, match="min_reply_length and --no_repeat_ngram"):
        bot.reply("hello", max_reply_length=40, **asked)


def test_coverage_without_attention_is_one_line() -> None:
    config = CONFIG.replace({"use_attention": False})
    model = Seq2Seq(config.model, len(WORDS))
    model.engine = choose_engine("own")
    own = wrap_model(config, Vocabulary(WORDS), model)
    with pytest.raises(ChatbotError, match="needs attention"):
        own.reply("hello", coverage_penalty=0.5)
    assert own.reply("hello", mmi_weight=0.5)


def test_fifty_lengths_need_no_new_trace(bot: Chatbot) -> None:
    bot.reply("hello", 3)
    bot.greedy("hello")
    before = bot.count_traces()
    for length in range(1, 51):
        query = "hello " * length
        bot.reply(query, 3, max_reply_length=1 + length % 7, length_penalty=length / 10)
        bot.replies([query] * (length % 5 + 1), 1)
    assert bot.count_traces() == before


@pytest.mark.usefixtures("eagerly")
@EACH_ENGINE
def test_weights_that_are_not_numbers_are_one_line(engine: str) -> None:
    model = make_model()
    model.engine = choose_engine(engine)
    model.projection.bias.assign(np.full(len(WORDS), np.nan))
    bot = wrap_model(CONFIG, Vocabulary(WORDS), model)
    for size in (1, 3):
        with pytest.raises(ChatbotError, match="not numbers"):
            bot.reply("hello", size)


@pytest.mark.parametrize(
    ("trained", "processor", "expected"),
    [
        ("float32", True, "float32"),
        ("bfloat16", True, "bfloat16"),
        ("bfloat16", False, "float32"),
        ("auto", True, "bfloat16"),
        ("auto", False, "float32"),
    ],
)
def test_replies_are_computed_as_the_model_and_the_processor_allow(
    monkeypatch: pytest.MonkeyPatch, trained: str, processor: bool, expected: str
) -> None:
    monkeypatch.setattr("chatbot.network.device.has_bfloat16", lambda: processor)
    monkeypatch.setattr("chatbot.network.device.has_gpu", lambda: False)
    chosen = []
    monkeypatch.setattr(
        "chatbot.engines.tensorflow.SearchGraphs", lambda model, precision: chosen.append(precision)
    )
    wrap_model(CONFIG.replace({"precision": trained}), Vocabulary(WORDS), make_model())
    assert chosen == [expected]


@pytest.mark.parametrize(
    ("precision", "graphs"),
    [("float32", 1), pytest.param("bfloat16", 2, marks=pytest.mark.needs_bfloat16)],
)
def test_one_graph_serves_every_width_and_in_bfloat16_another_one_wide_beams(
    precision: str, graphs: int
) -> None:
    model = make_model()
    model.engine = choose_engine("own")
    bot = wrap_model(CONFIG.replace({"precision": precision}), Vocabulary(WORDS), model)
    for beam_size in (1, 2, 7, 16):
        assert 1 <= len(bot.reply("hello", beam_size)) <= beam_size
        assert bot.count_traces() == 1
    for beam_size in (17, 40):
        assert len(bot.reply("hello", beam_size)) <= beam_size
        assert bot.count_traces() == graphs
