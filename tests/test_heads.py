"""Attention with several heads, as a person sees it: their mean, or one of them."""

from __future__ import annotations

import numpy as np
import pytest

from chatbot.bot import Chatbot
from chatbot.chat.conversation import Conversation
from chatbot.engines.conversion import take_weights
from chatbot.engines.onnx import OnnxSearcher
from chatbot.errors import ChatbotError
from chatbot.lite.looking import Tree
from chatbot.lite.writing import write_graphs
from tests.export.helpers import make_bot
from tests.helpers_chat import take_model

QUERY = "hello , you ?"


@pytest.fixture(scope="module", params=["own", "onnx"])
def bot(request: pytest.FixtureRequest) -> Chatbot:
    own = make_bot(scale=1.2, attention="multi_head", attention_heads=2, coverage_penalty=0.3)
    if request.param == "own":
        return own
    graphs = write_graphs(take_weights(take_model(own)), "float32")
    return Chatbot(own.config, own.vocabulary, OnnxSearcher(graphs, "float32"))


def test_without_a_head_the_mean_is_shown(bot: Chatbot) -> None:
    reply = bot.greedy(QUERY)
    mean, first, second = (bot.attend(QUERY, reply, head).weights for head in range(3))
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_allclose(mean, (first + second) / 2, atol=1e-6)
    np.testing.assert_allclose(first.sum(axis=1), 1.0, rtol=1e-5)
    for head in (3, -1):
        with pytest.raises(ChatbotError, match=f"^there is no head {head}; this model has 2, from"):
            bot.attend(QUERY, reply, head)


def test_both_engines_show_and_score_the_same(bot: Chatbot) -> None:
    own = make_bot(scale=1.2, attention="multi_head", attention_heads=2, coverage_penalty=0.3)
    for mine, expected in zip(bot.reply(QUERY), own.reply(QUERY)):
        assert mine.text == expected.text
        assert mine.score == pytest.approx(expected.score, abs=1e-4)
        found, same = (x.attend(QUERY, expected, 2).weights for x in (bot, own))
        np.testing.assert_allclose(found, same, atol=1e-5)


def test_a_look_at_a_tree_has_the_mean(bot: Chatbot) -> None:
    reply = bot.greedy(QUERY)
    if not isinstance(bot.searcher, OnnxSearcher):
        return
    tree, ids = Tree(), bot.vocabulary.encode(reply.tokens)
    tree.add_path(ids)
    query = np.array([bot.read(QUERY).ids], np.int32)
    given = query, np.array([query.shape[1]], np.int32), tree, bot.config.search, 3
    looks = bot.searcher.look(*given)
    expected = bot.attend(QUERY, reply).weights
    for node in range(len(ids)):
        np.testing.assert_allclose(looks[node].attention, expected[node], atol=1e-5)


def test_the_chat_shows_a_head(bot: Chatbot) -> None:
    chat = Conversation(lambda: bot)
    chat.answer(QUERY)
    mean, first, second = (
        [part.text for (part,) in chat.answer(f"/attention greedy{head}")]
        for head in ("", " head 1", " head 2")
    )
    assert mean[0] == first[0]
    assert first != second
    for wrong, said in ((" head 3", "there is no head 3"), (" head x", "/attention takes greedy")):
        ((part,),) = chat.answer(f"/attention greedy{wrong}")
        assert part.text.startswith(said)
