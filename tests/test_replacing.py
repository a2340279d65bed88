"""Words of the query in place of unknown tokens, by every engine and search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.bot import Chatbot, Reply
from chatbot.engines.choice import choose_engine
from chatbot.errors import ChatbotError
from chatbot.evaluation.replies import run_search
from chatbot.evaluation.searches import Search
from chatbot.export.work import export_model
from chatbot.lite.copying import find_copies
from chatbot.network.seq2seq import Seq2Seq
from chatbot.serving.chat_answer import choose
from chatbot.serving.chat_request import ChatRequest
from chatbot.serving.compare import SEARCHES, compare
from chatbot.serving.models import ReplyWork, Served
from chatbot.settings.config import Config, SearchConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import SEP, SPECIAL_TOKENS, UNK, Query, Vocabulary
from tests.conftest import ENGINES
from tests.helpers_chat import CONFIG, WORDS, wrap_model

UNKNOWN = SPECIAL_TOKENS[UNK]
QUERIES: list[Query] = [
    "hello Zoë, are you quux?",
    ["i am zyx", "hi, zyx.", "who is 龘？"],
    "我叫龘靐。",
    "quux",
    ["quux", ""],
    "",
]
CHANGES: list[dict[str, Any]] = [
    {"beam_size": 4, "length_penalty": 0.6},
    {"beam_size": 1},
    {"beam_size": 4, "diverse_groups": 2, "no_repeat_ngram": 3},
    {"beam_size": 3, "sample": True, "sampling_seed": 3},
    {"beam_size": 3, "coverage_penalty": 0.4, "mmi_weight": 0.2},
]


def make_config(**changes: Any) -> Config:
    return CONFIG.replace({"context_turns": 3, **changes})


def make_talkative(config: Config, scale: float = 1.0, liking: float = 6.0) -> Seq2Seq:
    """A network that often says the unknown token, and attends the more sharply the larger."""
    model = Seq2Seq(config.model, len(WORDS))
    generator = np.random.default_rng(8)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0.0, scale, variable.shape))
    bias = model.projection.bias.numpy()
    bias[UNK] += liking
    model.projection.bias.assign(bias)
    return model


def save(path: Path, config: Config) -> Path:
    directory = ModelDirectory(path)
    directory.create(config, Vocabulary(WORDS))
    directory.save(tf.train.Checkpoint(model=make_talkative(config)), "ckpt", 1, {})
    return path


@pytest.fixture(scope="module", params=[*ENGINES, "onnx", "heads"])
def bot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Chatbot:
    if request.param == "onnx":
        return Chatbot.load(save(tmp_path_factory.mktemp("model"), make_config()), engine="onnx")
    heads = {"attention": "multi_head", "attention_heads": 2}
    config = make_config(**(heads if request.param == "heads" else {}))
    model = make_talkative(config)
    model.engine = choose_engine("own" if request.param == "heads" else request.param)
    return wrap_model(config, Vocabulary(WORDS), model)


def expect(bot: Chatbot, query: Query, reply: Reply) -> tuple[str, ...]:
    """The words of a reply by the picture of its attention."""
    looked, words = bot.attend(query, reply), bot.read(query).words
    real = [place for place, word in enumerate(words) if word not in SPECIAL_TOKENS]
    if not real:
        return reply.tokens
    best = [words[max(real, key=lambda place: look[place])] for look in looked.weights]
    pairs = zip(reply.tokens, best)
    return tuple(word if token == UNKNOWN else token for token, word in pairs)


def test_each_unknown_token_is_the_word_its_step_attends_to_most(bot: Chatbot) -> None:
    copied: set[str] = set()
    is_quick = bot.engine.startswith("onnx")  # the others trace a graph for each search
    for changes in CHANGES if is_quick else CHANGES[:1]:
        copied |= check_copies(bot, changes)
    assert len(copied) > 1
    assert not copied & {*SPECIAL_TOKENS}


def check_copies(bot: Chatbot, changes: dict[str, Any]) -> set[str]:
    """Compares the replies of a search with those that say the unknown token."""
    copied = set()
    for query in QUERIES:
        plain = bot.reply(query, **changes, ban_unk=False)
        replies = bot.reply(query, **changes, replace_unk=True)
        first: dict[str, Reply] = {}
        for reply in plain:
            words = expect(bot, query, reply)
            first.setdefault(bot.vocabulary.write(words), reply)
        assert [reply.text for reply in replies] == [*first]
        for mine, other in zip(replies, first.values()):
            assert (mine.log_prob, mine.score) == (other.log_prob, other.score)
            assert mine.tokens == other.tokens
            copied |= {*mine.copied.values()}
    return copied


def test_alone_a_query_gets_what_it_gets_among_others(bot: Chatbot) -> None:
    given = {"beam_size": 4, "replace_unk": True}
    together = bot.replies([*QUERIES] * 2, **given)
    alone = [bot.reply(query, **given) for query in QUERIES] * 2
    assert [[*map(str, found)] for found in together] == [[*map(str, found)] for found in alone]
    assert any(reply.copied for found in together for reply in found)


def test_words_are_copied_as_the_tokenizer_has_them_and_separators_never() -> None:
    words = ["zoë", SPECIAL_TOKENS[SEP], "<user>", UNKNOWN, "龘"]
    looks = np.array([[0.1, 0.9, 0.9, 0.9, 0.2], [0.3, 0.9, 0.0, 0.0, 0.2], [0.0] * 5, [1.0] * 5])
    assert find_copies([UNK, UNK, 7], looks, words) == {0: "龘", 1: "zoë"}
    assert find_copies([UNK], looks, words[1:4]) == {}


def test_copied_words_join_as_text_does(bot: Chatbot) -> None:
    for query, text in (("ZOË", "zoë zoë"), ("龘", "龘龘")):
        replies = bot.reply(query, beam_size=4, replace_unk=True)
        assert any(text in reply.text for reply in replies)
        assert all(UNKNOWN not in reply.text for reply in replies)


def test_evaluation_and_server_see_the_copied_words(tmp_path: Path) -> None:
    bot = Chatbot.load(save(tmp_path / "model", make_config()), engine="onnx")
    settings = {"beam_size": 4, "replace_unk": True}
    expected = bot.replies(QUERIES, **settings)
    found = run_search(bot, QUERIES, Search("copies", settings))
    assert found.texts == [replies[0].text for replies in expected]
    assert found.spelled == [" ".join(replies[0].words) for replies in expected]
    assert UNKNOWN not in " ".join(found.spelled[:4])
    turns = ["i am zyx", "hi, zyx.", "who is 龘？"]
    shown = compare(bot, turns, settings)
    for search in shown["searches"]:
        alone = bot.reply(turns, **{**settings, **SEARCHES[search["name"]]})
        texts = {reply.text for reply in alone}
        assert {reply["text"] for reply in search["replies"]} == texts
    work = ReplyWork(Served("model", bot, 0), tuple(sorted(settings.items())))
    asked = ChatRequest(("quux",), 0.0, 1.0, None, 1, 2, (), False, False)
    (choice,) = choose(asked, work.run([("quux",)])[0])
    assert choice.text == bot.vocabulary.write(bot.reply("quux", **settings)[0].words[:2])


def test_a_model_without_attention_cannot_and_says_so() -> None:
    config = make_config(use_attention=False, replace_unk=True)
    bot = wrap_model(config, Vocabulary(WORDS), Seq2Seq(config.model, len(WORDS)))
    with pytest.raises(ChatbotError, match=r"^--replace_unk needs attention, which this model has"):
        bot.warm_up()


def test_the_ban_gives_way_unless_both_are_named() -> None:
    own = SearchConfig()
    assert own.bans_unk
    assert not own.resolve({"replace_unk": True}).bans_unk
    assert own.change({"replace_unk": True}).resolve({"ban_unk": True}).bans_unk
    with pytest.raises(ChatbotError, match=r"^--ban_unk forbids the unknown tokens that --replace"):
        own.resolve({"replace_unk": True, "ban_unk": True})
    with pytest.raises(ChatbotError, match=r"give one$"):
        Config().replace({"replace_unk": True, "ban_unk": True})


def test_with_pieces_of_words_nothing_changes() -> None:
    config = make_config(subwords="bpe")
    search = config.search.resolve({"replace_unk": True})
    assert config.fit_search(search) == config.search.resolve({})


def test_exports_that_cannot_copy_say_so(tmp_path: Path) -> None:
    path = str(save(tmp_path / "model", make_config(replace_unk=True)))
    with pytest.raises(ChatbotError, match=r"saved_model cannot copy words.* --noreplace_unk$"):
        export_model(path, str(tmp_path / "out"), "saved_model")
    with pytest.raises(ChatbotError, match="no --replace_unk"):
        export_model(path, str(tmp_path / "out"), "tflite", given={"replace_unk": True})
