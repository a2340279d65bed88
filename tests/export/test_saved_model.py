"""The SavedModel against the chatbot, in this process and in one that has TensorFlow alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.bot import Chatbot
from chatbot.errors import ChatbotError
from chatbot.export import saved_model
from chatbot.export.saved_model import TextModel, drop_repeated
from chatbot.lite.replies import LIKELY
from chatbot.search import Hypotheses
from tests.export.helpers import QUERIES, make_bot

Answer = dict[str, Any]
COLUMNS = ("replies", "log_probs", "scores")

# Answers the queries on standard input with TensorFlow alone, by the signature of Serving.
STRANGER = """
import json, sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
answer = model.signatures["serving_default"](query=tf.constant(json.load(sys.stdin)))
said = {name: value.numpy().tolist() for name, value in answer.items()}
said["replies"] = [[text.decode() for text in row] for row in said["replies"]]
json.dump({**said, "foreign": [name for name in sys.modules if "chatbot" in name]}, sys.stdout)
"""


def run_alone(*arguments: str, cwd: Path, stdin: str = "") -> str:
    """Runs Python with what is installed, without the checkout."""
    done = subprocess.run(
        [sys.executable, "-I", *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def export(bot: Chatbot, place: Path) -> list[str]:
    place.mkdir()
    return saved_model.write(bot, place)


def answer_here(bot: Chatbot, queries: Sequence[str], place: Path) -> Answer:
    """Answers without tracing and saving, which would take seconds."""
    words = place / "vocab.txt"
    bot.vocabulary.save(words)
    model = TextModel(bot, str(words))
    found = model.reply(tf.constant(queries, tf.string))
    said = {name: value.numpy().tolist() for name, value in found.items()}
    said["replies"] = [[text.decode() for text in row] for row in said["replies"]]
    return said


def check_against(bot: Chatbot, queries: Sequence[str], said: Answer) -> None:
    width = bot.config.search.beam_size
    for place, (query, expected) in enumerate(zip(queries, bot.replies(queries))):
        texts, log_probs, scores = (said[name][place] for name in COLUMNS)
        count = len(expected)
        assert texts == [*(reply.text for reply in expected), *[""] * (width - count)], query
        np.testing.assert_allclose(log_probs[:count], [r.log_prob for r in expected], atol=1e-4)
        np.testing.assert_allclose(scores[:count], [r.score for r in expected], atol=1e-4)
        assert log_probs[count:] == scores[count:] == [np.float32(LIKELY)] * (width - count)


def test_tensorflow_alone_gives_the_chatbots_replies(tmp_path: Path) -> None:
    bot = make_bot()
    lines = export(bot, tmp_path / "a model [x]")
    said = json.loads(
        run_alone("-c", STRANGER, "1", cwd=tmp_path / "a model [x]", stdin=json.dumps(QUERIES))
    )
    assert said.pop("foreign") == []
    check_against(bot, QUERIES, said)
    (code,) = re.findall("```python\n(.*?)```", "\n".join(lines), re.DOTALL)
    shown = run_alone("-c", code, cwd=tmp_path / "a model [x]").splitlines()
    assert [line.rpartition(" ")[0] for line in shown] == [r.text for r in bot.reply("hello")]


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "settings",
    [
        {"beam_size": 1},
        {"beam_size": 5, "attention": "bahdanau", "length_penalty": 0.0},
        {"use_attention": False, "tie_embeddings": True},
        {"min_reply_length": 2, "no_repeat_ngram": 1, "ban_unk": False},
        {"beam_size": 4, "diverse_groups": 2},
        {"coverage_penalty": 0.5, "mmi_weight": 0.3, "mmi_tokens": 2},
        {"max_reply_length": 1, "beam_size": 12, "ban_unk": False},
    ],
    ids=lambda settings: " ".join(settings),
)
def test_every_search_but_sampling_is_exported(settings: dict[str, Any], tmp_path: Path) -> None:
    bot = make_bot(**settings)
    queries = QUERIES[:6]
    check_against(bot, queries, answer_here(bot, queries, tmp_path))


@pytest.mark.usefixtures("eagerly")
def test_turns_are_lines(tmp_path: Path) -> None:
    bot = make_bot(context_turns=3)
    queries = [["hello", "hi"], ["hello"], ["you", "", "are", "pip", "hello you"], ["hi", ""], [""]]
    said = answer_here(bot, ["\n".join(turns) for turns in queries], tmp_path)
    check_against(bot, queries, said)  # type: ignore[arg-type]


def test_of_equal_texts_the_first_is_kept_and_empty_places_come_last() -> None:
    texts = tf.constant([["a", "b", "a", "", ""]])
    numbers = tf.constant([[-1.0, -2.0, -3.0, -4.0, -np.inf]])
    none = tf.zeros([1, 5], tf.int32)
    found = drop_repeated(texts, Hypotheses(none[..., tf.newaxis], none, numbers, numbers, numbers))
    assert found["replies"].numpy().tolist() == [[b"a", b"b", b"", b"", b""]]
    expected = [[-1.0, -2.0, -4.0, np.float32(LIKELY), np.float32(LIKELY)]]
    assert found["log_probs"].numpy().tolist() == found["scores"].numpy().tolist() == expected


def test_a_search_that_cannot_be_exported_is_refused_by_name() -> None:
    config = make_bot(sample=True).config
    with pytest.raises(ChatbotError, match=r"cannot sample; .*--nosample"):
        saved_model.settle(config, {})
    assert saved_model.settle(config, {"sample": False}).beam_size == 3
    with pytest.raises(ChatbotError, match="--coverage_penalty needs attention"):
        saved_model.settle(make_bot(use_attention=False).config, {"coverage_penalty": 1.0})
