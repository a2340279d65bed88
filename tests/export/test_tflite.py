"""The TFLite model against the chatbot's greedy replies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.bot import Chatbot
from chatbot.errors import ChatbotError
from chatbot.export import tflite
from chatbot.text import EOS
from tests.export.helpers import QUERIES, make_bot
from tests.export.test_saved_model import run_alone

# TensorFlow 2.21 says where its interpreter will move.
pytestmark = pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")


def make_greedy(**settings: Any) -> Chatbot:
    return make_bot(beam_search=False, beam_size=1, **settings)


Said = tuple[tuple[str, ...], float]
"""A reply's tokens and its log probability."""


def answer(model: bytes, bot: Chatbot, queries: Sequence[Any]) -> list[Said]:
    run = tf.lite.Interpreter(model_content=model).get_signature_runner()
    (_, longest) = run.get_input_details()["query_ids"]["shape"]
    found = []
    for query in queries:
        ids = bot.read(query).ids
        padded = np.array([ids + [0] * (longest - len(ids))], np.int32)
        said = run(query_ids=padded, query_length=np.array([len(ids)], np.int32))
        (length,), (row,), (log_prob,) = (
            said[name] for name in ("reply_length", "reply_ids", "log_prob")
        )
        assert row.shape == (bot.config.search.max_reply_length,)
        assert (row[length:] == EOS).all()
        found.append((tuple(bot.vocabulary.decode(row[:length])), log_prob))
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {"max_reply_length": 9},
        {"attention": "bahdanau", "min_reply_length": 3},
        {"use_attention": False, "tie_embeddings": True, "num_layers": 1, "max_reply_length": 20},
        {"no_repeat_ngram": 1, "max_reply_length": 9, "ban_unk": False},
        {"no_repeat_ngram": 3, "max_reply_length": 12},
        {"no_repeat_ngram": 9},
        {"bidirectional": True, "residual": True, "self_attention": 2, "layer_norm": True},
        {"cell": "gru", "bidirectional": True, "layer_norm": True},
    ],
    ids=lambda settings: " ".join(settings),
)
def test_in_float32_replies_are_the_chatbots(settings: dict[str, Any]) -> None:
    bot = make_greedy(**settings)
    found = answer(tflite.convert(bot), bot, QUERIES)
    replies = [ranked[0] for ranked in bot.replies(QUERIES)]
    assert [tokens for tokens, _ in found] == [reply.tokens for reply in replies]
    assert len({tokens for tokens, _ in found}) > 1
    np.testing.assert_allclose([x for _, x in found], [r.log_prob for r in replies], atol=1e-4)


def test_several_turns_are_one_query() -> None:
    bot = make_greedy(context_turns=3)
    queries = [["hello", "hi"], ["hello"], ["you", "are", "pip"], ["hi", ""], ["pip " * 20] * 3]
    found = answer(tflite.convert(bot), bot, queries)
    assert [tokens for tokens, _ in found] == [r[0].tokens for r in bot.replies(queries)]


@pytest.mark.parametrize(("quantize", "share"), [("float16", 0.6), ("int8", 0.3)])
def test_quantised_weights_take_less_space_and_reply_much_alike(
    quantize: str, share: float
) -> None:
    bot = make_greedy(scale=0.1, rnn_size=96, embedding_size=64, max_reply_length=3)
    whole, small = tflite.convert(bot), tflite.convert(bot, quantize)
    assert len(small) < len(whole) * share
    exact, coarse = ([x for _, x in answer(file, bot, QUERIES[:5])] for file in (whole, small))
    np.testing.assert_allclose(coarse, exact, atol=0.1)


def test_the_readme_runs_and_the_comparison_counts(tmp_path: Path) -> None:
    bot = make_greedy(max_length=7)
    lines = tflite.write(bot, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chatbot.tflite", "vocab.txt"]
    (code,) = re.findall("```python\n(.*?)```", "\n".join(lines), re.DOTALL)
    shown = run_alone("-W", "ignore", "-c", code, cwd=tmp_path)
    assert tuple(shown.split()) == bot.reply("hello")[0].tokens
    said = tflite.compare(bot, tmp_path, QUERIES)
    assert said == f"0 of {len(QUERIES)} queries (0.00%) have another greedy reply"
    other = make_bot(4, beam_search=False, beam_size=1, max_length=7)
    assert not tflite.compare(other, tmp_path, QUERIES).startswith("0 of")


def test_another_search_than_the_greedy_one_is_refused_by_name() -> None:
    config = make_bot(sample=True, mmi_weight=1.0, beam_size=4, diverse_groups=2).config
    settled = tflite.settle(config, {"max_reply_length": 7, "beam_size": 1, "sample": False})
    assert (settled.beam_size, settled.sample, settled.max_reply_length) == (1, False, 7)
    for name, value in {"beam_size": 2, "sample": True, "mmi_weight": 0.5}.items():
        with pytest.raises(ChatbotError, match=f"no --{name}; leave it out"):
            tflite.settle(config, {name: value})
