from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.bot import MAX_CHARACTERS, Chatbot, ReadQuery, Reply
from chatbot.chat.conversation import LONGEST_TURN, Conversation
from chatbot.corpus import Pair, read_pairs
from chatbot.engines.choice import choose_engine
from chatbot.evaluation.perplexity import measure_perplexity, score_pairs
from chatbot.evaluation.scoring import Scorer
from chatbot.settings.config import Config, CorpusConfig, TrainingConfig
from chatbot.text import EOS, SEP, SPECIAL_TOKENS, UNK, Query, Vocabulary
from tests.conftest import make_config, make_model, make_pairs
from tests.helpers_chat import PaperBot, take_model, wrap_model
from tests.trainings import tiny_settings, train, write_pairs

WORDS = Vocabulary([*SPECIAL_TOKENS, "hello", "you", "are", "how", "?", "i"])


def find_perplexity(bot: Chatbot, pairs: list[Pair]) -> float:
    everything = np.ones(len(pairs), dtype=np.bool_)
    return float(measure_perplexity(score_pairs(bot, pairs), everything)["perplexity"])


class ListeningBot(PaperBot):
    """Numbers its replies, the greedy ones with a g, and keeps what it was asked."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.queries: list[Query] = []
        self.silent = False

    def replies(
        self, queries: Sequence[Query], beam_size: int | None = None, **settings: Any
    ) -> list[list[Reply]]:
        (query,) = queries
        if beam_size == 1:
            self.queries.append(query)
            return [[Reply("" if self.silent else f"g{len(self.queries)}", -1.0, -1.0)]]
        assert query == self.queries[-1]
        return [[Reply(f"b{len(self.queries)}", -1.0, -1.0), Reply("second", -2.0, -2.0)]]

    def read(self, query: Query) -> ReadQuery:
        return ReadQuery([5], "long" in (query if isinstance(query, str) else query[-1]))


def converse(bot: PaperBot, *lines: str) -> list[list[str]]:
    chat = Conversation(lambda: bot)  # type: ignore[arg-type, return-value]
    return [["".join(part.text for part in row) for row in chat.answer(line)] for line in lines]


def test_the_last_turns_are_the_query() -> None:
    bot = ListeningBot(context_turns=4)
    converse(bot, "one", "", "/help", "two", "three")
    assert bot.queries == [["one"], ["one", "b1", "two"], ["b1", "two", "b2", "three"]]


def test_without_a_beam_the_greedy_reply_is_remembered() -> None:
    bot = ListeningBot(context_turns=3)
    converse(bot, "one", "/greedy", "two", "three", "/beam 2", "four", "five")
    assert [query[0] for query in bot.queries] == ["one", "one", "two", "three", "four"]
    assert [query[1] for query in bot.queries[1:]] == ["b1", "g2", "g3", "b4"]


def test_reset_forgets() -> None:
    bot = ListeningBot(context_turns=3)
    answers = converse(bot, "/reset", "one", "/reset", "two", "three")
    assert answers[0] == answers[2] == ["forgotten; this is a new conversation"]
    assert bot.queries == [["one"], ["two"], ["two", "b2", "three"]]


def test_one_turn_is_asked_as_ever_and_nothing_is_remembered() -> None:
    bot = ListeningBot()
    answers = converse(bot, "one", "two", "/reset", "three")
    assert answers[2] == ["nothing to forget: this model was trained with --context_turns=1"]
    assert bot.queries == ["one", "two", "three"]


def test_an_empty_reply_is_no_turn() -> None:
    bot = ListeningBot(context_turns=3, beam_search=False)
    bot.silent = True
    converse(bot, "one", "two", "three")
    assert bot.queries[-1] == ["one", "two", "three"]


def test_a_question_that_was_interrupted_is_not_remembered() -> None:
    bot = ListeningBot(context_turns=2)
    chat = Conversation(lambda: bot)  # type: ignore[arg-type, return-value]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(bot, "replies", interrupt)
        with pytest.raises(KeyboardInterrupt):
            chat.answer("one")
    chat.answer("two")
    assert bot.queries == [["two"]]


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_of_a_long_line_what_can_be_read_is_remembered() -> None:
    bot = ListeningBot(context_turns=3)
    long = "long " * LONGEST_TURN
    answers = converse(bot, long, "short")
    assert [rows[0].startswith("that was long") for rows in answers] == [True, False]
    assert bot.queries == [[long], [long[:LONGEST_TURN], "b1", "short"]]
    assert LONGEST_TURN == MAX_CHARACTERS


@pytest.fixture(name="make_bot", scope="module")
def find_bot_maker() -> Callable[[int], Chatbot]:
    model = make_model("luong")
    model.engine = choose_engine("own")  # one graph serves every width

    def make(context_turns: int) -> Chatbot:
        corpus = CorpusConfig(max_length=3, context_turns=context_turns)
        training = TrainingConfig(precision="float32")
        return wrap_model(Config(corpus, make_config("luong"), training), WORDS, model)

    return make


@pytest.mark.parametrize(
    ("query", "context_turns", "ids"),
    [
        ("how are you ?", 2, [8, 7, 6]),
        (["hello", "how are you"], 1, [8, 7, 6]),
        (["you", "hello", "how are you"], 2, [5, SEP, 8, 7, 6]),
        (["you are how ?", " ", "hello"], 3, [6, 7, 8, SEP, 5]),
        (["<sep>", "hello"], 2, [UNK, UNK, UNK, SEP, 5]),
        (["hello", ""], 2, [5, SEP, UNK]),
        ([], 2, [UNK]),
    ],
)
def test_a_chatbot_reads_the_last_turns(
    make_bot: Callable[[int], Chatbot], query: Query, context_turns: int, ids: list[int]
) -> None:
    assert make_bot(context_turns).read(query).ids == ids


def test_cut_is_what_is_said_of_the_last_turn(make_bot: Callable[[int], Chatbot]) -> None:
    bot = make_bot(2)
    long = "you " * 9
    assert bot.read(long).is_cut
    assert bot.read(["hello", long]).is_cut
    assert bot.read(["hello", " " * MAX_CHARACTERS + "you"]).is_cut
    assert not bot.read([long, "hello"]).is_cut
    assert not bot.read([]).is_cut
    hundred = [" you" * MAX_CHARACTERS] * 100
    assert len(make_bot(100).read(hundred[:7]).ids) == 7 * 3 + 6


def test_queries_of_either_kind_have_the_same_replies(make_bot: Callable[[int], Chatbot]) -> None:
    queries: Sequence[Query] = ["hello", ["hello"], ["how are you", "hello"], ("you", "hello")]
    bot = make_bot(2)
    plain, same, *asked = bot.replies(queries, beam_size=2)
    assert plain == same
    for found, query in zip(asked, queries[2:]):
        alone = bot.reply(query, beam_size=2)
        assert found[0].log_prob == pytest.approx(alone[0].log_prob, rel=1e-4)
    assert len({round(found[0].log_prob, 4) for found in (plain, *asked)}) == 3


def test_replies_are_scored_in_their_context(make_bot: Callable[[int], Chatbot]) -> None:
    bot = make_bot(2)
    pairs = [
        Pair("how are you ?", "i", 0, ("unheard of", "hello")),
        Pair("hello", "you are how ?", 1),
    ]
    encoded = [([5, SEP, 8, 7, 6], [10, EOS]), ([5], [6, 7, 8])]
    expected = [
        -float(tf.reduce_sum(take_model(bot).token_log_losses(*make_pairs([query], [reply]))))
        for query, reply in encoded
    ]
    scorer = Scorer(bot)
    scores = [score.log_prob for score in scorer.score([(p.turns, p.reply) for p in pairs])]
    assert scores == pytest.approx(expected, rel=1e-4)
    surprise = find_perplexity(bot, pairs)
    assert surprise == pytest.approx(float(tf.exp(-sum(expected) / 5)), rel=1e-4)
    alone = take_model(bot).token_log_losses(*make_pairs([[8, 7, 6]], [[10, EOS]]))
    assert -float(tf.reduce_sum(alone)) != pytest.approx(expected[0], rel=1e-2)


TALKS = (("apple", "red", "why", "iron"), ("lemon", "yellow", "why", "acid"))


def train_on_talks(place: Path, context_turns: int) -> Chatbot:
    """Trains on two dialogues, in which the same question has different answers."""
    lines = [line for turns in TALKS for line in ("E", *(f"M {turn}" for turn in turns))]
    (place / "talks.conv").write_text("\n".join(lines), encoding="utf-8")
    size = {"rnn_size": 16, "embedding_size": 16, "dropout": 0.0, "embedding_dropout": 0.0}
    length = {"max_steps": 60, "steps_per_checkpoint": 60, "batch_size": 6, "learning_rate": 0.03}
    settings = tiny_settings(place / "talks.conv", context_turns=context_turns, **size, **length)
    assert train(place / "model", **settings) == 0
    return Chatbot.load(place / "model")


def test_a_reply_that_depends_on_the_turn_before_is_learned_in_context(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two").mkdir()
    (tmp_path / "one").mkdir()
    bot = train_on_talks(tmp_path / "two", 2)
    pairs = list(read_pairs(tmp_path / "two" / "talks.conv", context_turns=2))
    assert [bot.greedy(pair.turns).text for pair in pairs] == [pair.reply for pair in pairs]
    assert find_perplexity(bot, pairs) < 1.1
    rows = converse(bot, "apple", "why", "/reset", "lemon", "why")  # type: ignore[arg-type]
    said = [row[1].split()[2] for row in rows if len(row) > 1]
    assert said == ["red", "iron", "yellow", "acid"]
    assert "adds nothing" not in capsys.readouterr().err

    forgetful = train_on_talks(tmp_path / "one", 1)
    right = [forgetful.greedy(pair.turns).text == pair.reply for pair in pairs]
    assert sum(right) == len(pairs) - 1
    # Of two equally frequent replies each has at most half the probability.
    assert find_perplexity(forgetful, pairs) >= 4 ** (1 / 12)


def test_a_corpus_without_context_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv"), max_steps=1, context_turns=3)
    assert train(tmp_path / "model", **settings) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note:")]
    assert len(notes) == 1
    assert "--context_turns=3 adds nothing here" in notes[0]
