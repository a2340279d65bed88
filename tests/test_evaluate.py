from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_config, make_pairs

from chatbot.chatbot import Chatbot
from chatbot.config import Config, CorpusConfig, SearchConfig
from chatbot.corpus import Pair
from chatbot.evaluate import (
    evaluate,
    format_table,
    list_examples,
    measure_perplexity,
    measure_recall,
)
from chatbot.model import Seq2Seq
from chatbot.scoring import Scorer
from chatbot.text import EOS, SPECIAL_TOKENS, UNK, Vocabulary

WORDS = Vocabulary([*SPECIAL_TOKENS, "hello", "you", "are", "how", "?", "i"])
PAIRS = [
    ("how are you?", "i are how"),
    ("hello", "you"),
    ("Hello", "hello hello hello hello hello hello"),
    ("unheard of", "never heard you"),
    ("", "you"),
]


@pytest.fixture
def bot(find_model: Callable[[str], Seq2Seq]) -> Chatbot:
    config = Config(
        CorpusConfig(max_length=5),
        make_config("luong"),
        search=SearchConfig(beam_size=3, max_reply_length=4),
    )
    return Chatbot(config, WORDS, find_model("luong"))


def test_scores_are_those_of_each_pair_alone_cut_and_ended(bot: Chatbot) -> None:
    encoded = [
        ([8, 7, 6, 9], [10, 7, 8, EOS]),
        ([5], [6, EOS]),
        ([5], [5, 5, 5, 5, EOS]),
        ([UNK, UNK], [UNK, UNK, 6, EOS]),
        ([UNK], [6, EOS]),
    ]
    scores = Scorer(bot.model, WORDS, 5).score(PAIRS)
    for score, (query, reply) in zip(scores, encoded):
        losses = bot.model.token_log_losses(*make_pairs([query], [reply]))
        assert score.log_prob == pytest.approx(-float(tf.reduce_sum(losses)), rel=1e-4)
        assert score.tokens == len(reply)
        assert score.unknown == reply.count(UNK)


def test_perplexity_is_over_tokens_not_over_pairs(bot: Chatbot) -> None:
    pairs = [Pair(query, reply, 0) for query, reply in PAIRS]
    figures = measure_perplexity(bot, pairs)
    scores = Scorer(bot.model, WORDS, 5).score(PAIRS)
    assert figures["tokens"] == 17
    assert figures["unknown_share"] == 2 / 17
    mean = -sum(score.log_prob for score in scores) / 17
    assert figures["perplexity"] == pytest.approx(math.exp(mean))


def test_recall_counts_a_query_once_and_takes_any_of_its_replies(bot: Chatbot) -> None:
    queries = ["how are you?", "hello"]
    said = [replies[0].text for replies in bot.replies(queries, beam_size=1)]
    assert said[0] != said[1]
    pairs = [
        Pair("How are you ?", "something else", 0),
        Pair("how are you?", said[0].upper(), 0),
        Pair("hello", said[0], 0),
    ]
    assert measure_recall(bot, pairs, 1) == 0.5
    best = [replies[0].text for replies in bot.replies(queries, beam_size=3)]
    assert measure_recall(bot, [Pair(q, r, 0) for q, r in zip(queries, best)], 3) == 1.0


def test_examples_stand_beside_the_corpus(bot: Chatbot) -> None:
    lines = list_examples(
        bot, [Pair("hello | you", "a\nb", 0), Pair("hello", "you", 0)]
    ).splitlines()
    assert lines[0] == "| query | greedy | beam 3 | corpus |"
    assert lines[2].startswith("| hello \\| you | ")
    assert lines[2].endswith(" | a b |")
    assert lines[3] == f"| hello | {bot.greedy('hello')} | {bot.reply('hello')[0]} | you |"


def test_every_figure_is_in_the_table(bot: Chatbot) -> None:
    figures = evaluate(bot, [Pair(query, reply, 0) for query, reply in PAIRS])
    assert list(figures) == [
        "pairs",
        "perplexity",
        "tokens",
        "unknown_share",
        "greedy_recall",
        "beam_3_recall",
    ]
    lines = format_table({"pairs": 12345, "share": 0.25}).splitlines()
    assert lines == ["pairs  12,345", "share  0.2500"]
    assert np.isfinite(json.loads(json.dumps(figures))["perplexity"])
