from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.beam_tree import list_nodes
from chatbot.bot import Chatbot
from chatbot.errors import ChatbotError
from chatbot.lite.rules import NO_WORDS
from chatbot.network.seq2seq import Seq2Seq
from chatbot.serving.compare import LIMITS, SEARCHES, compare, describe_model, settle
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import EOS, SPECIAL_TOKENS, Vocabulary
from tests.helpers_chat import CONFIG, ROOT, WORDS, load_bot

END = SPECIAL_TOKENS[EOS]
TURNS = ["hello", "hi, are you pip?"]
CHANGES: list[dict[str, Any]] = [
    {},
    {"beam_size": 1},
    {"beam_size": 6, "no_repeat_ngram": 1, "min_reply_length": 2, "length_penalty": 0.6},
    {"diverse_groups": 3, "diversity_strength": 2.0, "ban_unk": False},
    {"temperature": 1.6, "top_k": 5, "sampling_seed": 7},
    {"coverage_penalty": 0.4, "mmi_weight": 0.6, "mmi_tokens": 2},
]


def list_replies(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [reply for search in found["searches"] for reply in search["replies"]]


def find_path(tree: list[dict[str, Any]], node: int) -> tuple[str, ...]:
    words: list[str] = []
    while node:
        words.append(tree[node]["token"])
        node = tree[node]["parent"]
    return tuple(words[::-1])


@pytest.mark.parametrize("changes", CHANGES)
def test_every_search_has_the_replies_that_the_chatbot_has(
    bot: Chatbot, changes: dict[str, Any]
) -> None:
    found = compare(bot, TURNS, changes)
    assert [search["name"] for search in found["searches"]] == [*SEARCHES]
    for search in found["searches"]:
        alone = bot.reply(TURNS, **{**changes, **SEARCHES[search["name"]]})
        assert [reply["text"] for reply in search["replies"]] == [reply.text for reply in alone]
        for mine, expected in zip(search["replies"], alone):
            assert mine["tokens"] == [*expected.tokens]
            assert mine["log_prob"] == pytest.approx(expected.log_prob, abs=1e-4)
            assert mine["score"] == pytest.approx(expected.score, abs=1e-4)
    samples = found["searches"][-1]["replies"]
    assert sum(reply["times"] for reply in samples) == found["settings"]["beam_size"]


@pytest.mark.parametrize("changes", CHANGES)
def test_the_parts_of_a_score_make_it_and_the_path_makes_the_parts(
    bot: Chatbot, changes: dict[str, Any]
) -> None:
    found = compare(bot, TURNS, changes)
    tree, used = found["tree"], found["settings"]
    for search in found["searches"]:
        for reply in search["replies"]:
            path, parts = [tree[node] for node in reply["nodes"]], reply["parts"]
            assert find_path(tree, reply["nodes"][-1]) == (*reply["tokens"], END)
            assert reply["log_prob"] == pytest.approx(sum(x["log_prob"] for x in path), abs=1e-3)
            allowed = sum(node["allowed_log_prob"] for node in path)
            if search["name"] == "samples":  # ranked by the model's own log probability
                allowed = reply["log_prob"]
            assert parts["allowed_log_prob"] == pytest.approx(allowed, abs=1e-3)
            assert parts["divisor"] == pytest.approx(
                ((6 + len(reply["tokens"])) / 6) ** used["length_penalty"], abs=1e-4
            )
            score = parts["allowed_log_prob"] - used["mmi_weight"] * parts["mmi"]
            score /= parts["divisor"]
            score += used["coverage_penalty"] * parts["coverage"]
            assert reply["score"] == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("changes", CHANGES)
def test_a_search_went_where_its_replies_go(bot: Chatbot, changes: dict[str, Any]) -> None:
    found = compare(bot, TURNS, changes)
    tree = found["tree"]
    for search in found["searches"]:
        went = {n for n, node in enumerate(tree) if search["name"] in node["searches"]}
        on_replies = {node for reply in search["replies"] for node in reply["nodes"]}
        assert on_replies <= went
        if search["name"] != "beam":
            assert went == on_replies
    for number, node in enumerate(tree[1:], start=1):
        assert node["parent"] < number
        assert node["ended"] == (node["token"] == END)
        assert node["searches"] or node["kept"] is False
    paths = [find_path(tree, node) for node in range(len(tree))]
    assert len({*paths}) == len(paths)


@pytest.mark.parametrize("changes", [CHANGES[0], CHANGES[2]])
def test_the_tree_has_what_the_traced_beam_kept_and_dropped(
    bot: Chatbot, changes: dict[str, Any]
) -> None:
    tree = compare(bot, TURNS, changes)["tree"]
    mine = {
        find_path(tree, n): node["kept"] for n, node in enumerate(tree) if node["kept"] is not None
    }
    expected: dict[tuple[str, ...], bool] = {}
    paths: list[tuple[str, ...]] = []
    for node in list_nodes(bot.trace_beam(TURNS, **changes)):
        before = paths[node.parent] if node.parent is not None else ()
        paths.append((*before, node.branch.text))
        expected[paths[-1]] = node.branch.kept
    assert mine == expected
    assert {*expected.values()} == {True, False}


def test_what_follows_a_node_is_the_networks_attention_and_its_likeliest_words(
    bot: Chatbot,
) -> None:
    changes = {"no_repeat_ngram": 1, "min_reply_length": 1}
    found = compare(bot, TURNS, changes)
    tree = found["tree"]
    read = bot.vocabulary.decode(bot.read(TURNS).ids)
    assert found["query"] == {"tokens": read, "is_cut": False}
    for reply in bot.reply(TURNS, **changes):
        attention = bot.attend(TURNS, reply).weights
        nodes = next(x["nodes"] for x in list_replies(found) if x["text"] == reply.text)
        for row, node in zip(attention, nodes):
            shown = tree[tree[node]["parent"]]["next"]
            np.testing.assert_allclose(shown["attention"], row, atol=1e-4)
            likeliest = {word["token"]: word for word in shown["likeliest"]}
            assert len(likeliest) == 10
            if tree[node]["token"] in likeliest:
                shown_log_prob = likeliest[tree[node]["token"]]["log_prob"]
                assert shown_log_prob == tree[node]["log_prob"]
    for number, node in enumerate(tree):
        assert (node["next"] is None) == (number not in {x["parent"] for x in tree})
        for word in [] if node["next"] is None else node["next"]["likeliest"]:
            said = find_path(tree, number)
            forbidden = {*bot.vocabulary.decode(NO_WORDS), *said, *([] if said else [END])}
            assert word["banned"] == (word["token"] in forbidden)


def test_all_searches_decode_on_from_a_node(bot: Chatbot) -> None:
    whole = compare(bot, TURNS)
    longest = max(list_replies(whole), key=lambda reply: len(reply["tokens"]))
    prefix = longest["tokens"][:2]
    found = compare(bot, TURNS, prefix=prefix)
    assert found["prefix"] == prefix
    assert all(reply["tokens"][:2] == prefix for reply in list_replies(found))
    greedy = whole["searches"][0]["replies"][0]
    again = compare(bot, TURNS, prefix=greedy["tokens"])["searches"][0]["replies"][0]
    for name in ("text", "log_prob", "score", "parts"):
        assert again[name] == pytest.approx(greedy[name], abs=1e-4)


def test_a_forbidden_beginning_is_said_and_the_rest_keeps_to_the_rules(bot: Chatbot) -> None:
    found = compare(bot, TURNS, {"no_repeat_ngram": 1}, ["pip", "pip"])
    greedy = found["searches"][0]["replies"][0]
    tree = found["tree"]
    assert greedy["tokens"][:2] == ["pip", "pip"]
    assert "pip" not in greedy["tokens"][2:]
    assert tree[greedy["nodes"][1]]["allowed_log_prob"] is None
    assert math.isfinite(greedy["score"])


@pytest.mark.parametrize("turns", [[], [""], ["zzz qqq"], ["hello " * 500], ["你好", "", "hi"]])
def test_any_dialogue_gives_finite_json(bot: Chatbot, turns: list[str]) -> None:
    found = compare(bot, turns)
    json.dumps(found, allow_nan=False)
    assert found["query"]["is_cut"] == (turns == ["hello " * 500])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beam_size": 21}, "--beam_size=21 is too much; give at most 20"),
        ({"max_reply_length": 101}, "give at most 100"),
        ({"beam_size": "3"}, "is not a whole number"),
        ({"beam_size": True}, "is not a whole number"),
        ({"temperature": 0}, "out of range"),
        ({"temperature": math.nan}, "not a finite number"),
        ({"beam_size": 4, "diverse_groups": 3}, "equal groups"),
        ({"min_reply_length": 9}, "lower one or raise the other"),
        ({"sample": True}, "there is no setting 'sample'"),
        ({"x": 1}, "there is no setting 'x'; there are beam_size"),
        ({"no_repeat_ngram": 1, "min_reply_length": 90, "max_reply_length": 95}, "no search has"),
        ([], "settings is no object"),
    ],
)
def test_settings_that_do_not_fit_are_refused(bot: Chatbot, changes: Any, message: str) -> None:
    with pytest.raises(ChatbotError, match=message):
        compare(bot, TURNS, changes)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        (["zzz"], "no reply can begin with 'zzz'"),
        ([END], "no reply can begin with '<eos>'"),
        (["hi"] * 5, "5 words and --max_reply_length=4"),
        ("hi", "prefix is no list of texts"),
        ([1], "prefix is no list of texts"),
    ],
)
def test_beginnings_that_do_not_fit_are_refused(bot: Chatbot, prefix: Any, message: str) -> None:
    with pytest.raises(ChatbotError, match=message):
        compare(bot, TURNS, prefix=prefix)


def test_turns_and_engines_that_do_not_fit_are_refused(bot: Chatbot, tmp_path: Path) -> None:
    turns: Any = "hello"
    with pytest.raises(ChatbotError, match="turns is no list of texts"):
        compare(bot, turns)
    with pytest.raises(ChatbotError, match="--engine=onnx"):
        compare(load_bot(tmp_path, "own"), TURNS)


def test_the_description_lists_the_settings_that_a_comparison_takes(bot: Chatbot) -> None:
    described = describe_model(bot)
    json.dumps(described, allow_nan=False)
    defaults = {item["name"]: item["default"] for item in described["settings"]}
    assert defaults == compare(bot, TURNS)["settings"]
    assert defaults["beam_size"] == 3
    for item in described["settings"]:
        assert item["help"]
        if item["kind"] != "bool":
            assert item["low"] <= item["default"] <= item["high"]
    assert described["sizes"]["vocab_size"] == len(bot.vocabulary)
    assert described["sizes"]["attention"] == "luong"


def test_a_model_that_searches_wider_is_limited_and_one_without_beam_has_one(bot: Chatbot) -> None:
    wide = dataclasses.replace(
        bot.config.search, beam_size=50, diverse_groups=25, max_reply_length=500, beam_search=False
    )
    config = dataclasses.replace(bot.config, search=wide)
    other = Chatbot(config, bot.vocabulary, bot.searcher)
    search = settle(other, {"diverse_groups": 2})
    assert {name: getattr(search, name) for name in LIMITS} == {**LIMITS, "diverse_groups": 2}
    assert describe_model(other)["settings"][0]["default"] == 20


def test_a_model_without_attention_has_no_coverage(tmp_path: Path) -> None:
    model = dataclasses.replace(CONFIG.model, use_attention=False)
    config = dataclasses.replace(CONFIG, model=model)
    directory = ModelDirectory(tmp_path)
    directory.create(config, Vocabulary(WORDS))
    directory.save(tf.train.Checkpoint(model=Seq2Seq(model, len(WORDS))), "ckpt", 1, {})
    bot = Chatbot.load(tmp_path, engine="onnx")
    found = compare(bot, TURNS)
    assert {reply["parts"]["coverage"] for reply in list_replies(found)} == {None}
    assert all(node["next"]["attention"] == [] for node in found["tree"] if node["next"])
    assert describe_model(bot)["sizes"]["attention"] is None
    with pytest.raises(ChatbotError, match="no setting 'coverage_penalty'"):
        compare(bot, TURNS, {"coverage_penalty": 1.0})


def test_a_comparison_does_without_tensorflow() -> None:
    code = "import sys, chatbot.serving.compare; print('tensorflow' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=True, cwd=ROOT
    )
    assert done.stdout == "False\n"
