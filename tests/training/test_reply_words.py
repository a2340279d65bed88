from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot import Chatbot
from chatbot.errors import ChatbotError
from chatbot.network.reply_words import SILENT, ReplyWords
from chatbot.text import EOS, SPECIAL_TOKENS, Vocabulary
from tests.conftest import QUERIES, Pairs, V, make_model, make_pairs
from tests.oracles import list_variables, log_softmax
from tests.trainings import (
    assert_same_weights,
    read_weights,
    stop_after_step,
    tiny_settings,
    train,
    write_pairs,
)

COUNTS = np.bincount([5, 9, 9, EOS], minlength=V)
KEPT = [*range(len(SPECIAL_TOKENS)), 5, 9]
SEED = tf.constant([1, 2])
PAIRS = [
    (f"{word} {other}", "yes ." if word < other else "no !")
    for word in ("red", "green", "blue")
    for other in ("cat", "dog", "snow")
]


def make_batch() -> Pairs:
    return make_pairs(QUERIES, [(5, 9, EOS), (9, EOS), (9, 9, 5, EOS)])


def test_the_replies_words_and_the_special_tokens_are_kept() -> None:
    assert ReplyWords(COUNTS).ids.tolist() == KEPT


@pytest.mark.usefixtures("each_engine")
def test_losses_are_those_of_a_softmax_over_the_replies_words(model: Any) -> None:
    config_rates = model.config.dropout
    rows = make_batch()
    words = ReplyWords(COUNTS)
    assert config_rates  # so that a training differs from a measurement
    kernel, bias = (x.numpy().astype(float) for x in model.projection.listed())
    h = np.random.default_rng(5).normal(size=[4, kernel.shape[0]])
    targets = [5, 9, EOS, 9]
    expected = -log_softmax((h @ kernel + bias)[:, KEPT])[
        range(4), [KEPT.index(target) for target in targets]
    ]
    outputs = tf.constant(h, tf.float32)
    losses = model.project_losses(outputs, tf.constant(targets), 0.0, words)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    before = model.token_log_losses(*rows)
    model.reply_words = words
    try:
        np.testing.assert_array_equal(model.token_log_losses(*rows), before)
        learned = model.token_log_losses(*rows, SEED)
    finally:
        model.reply_words = None
    assert (learned < model.token_log_losses(*rows, SEED)).numpy().all()


def test_gradients_are_those_of_all_words_once_the_others_are_silent() -> None:
    found: list[Any] = []
    for words in (ReplyWords(COUNTS), None):
        model = make_model("luong", dropout=0.0)
        ReplyWords(COUNTS).silence_others(model.projection)
        model.projection.bias.assign(tf.where(COUNTS > 0, model.projection.bias + 20.0, SILENT))
        model.reply_words = words
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model.token_log_losses(*make_batch(), SEED))
        variables = list_variables(model)
        gradients = map(tf.convert_to_tensor, tape.gradient(loss, variables))
        found.append((loss, *gradients))
    for mine, others in zip(*found):
        np.testing.assert_allclose(mine, others, rtol=1e-4, atol=1e-5)


def test_no_step_moves_a_silent_word_and_no_reply_has_one(tmp_path: Path) -> None:
    settings = tiny_settings(
        write_pairs(tmp_path / "pairs.tsv", PAIRS), reply_vocabulary=True, max_steps=60
    )
    assert train(tmp_path / "model", **settings, weight_decay=0.1) == 0
    words = Vocabulary.load(tmp_path / "model/vocab.txt").words
    silent = [word not in {*SPECIAL_TOKENS, "yes", "no", ".", "!"} for word in words]
    weights = read_weights(tmp_path / "model")
    kernel = weights["model/projection/kernel/.ATTRIBUTES/VARIABLE_VALUE"]
    bias = weights["model/projection/bias/.ATTRIBUTES/VARIABLE_VALUE"]
    assert sum(silent) == 6
    assert (bias == SILENT).tolist() == silent
    assert (kernel == 0).all(axis=0).tolist() == silent
    for engine, precision in (("own", "float32"), ("onnx", "float32"), ("onnx", "int8")):
        bot = Chatbot.load(tmp_path / "model", engine=engine, reply_precision=precision)
        texts = {reply.text for reply in bot.reply("blue cat", beam_size=8)}
        assert not any(word in text for text in texts for word in ("red", "cat", "snow"))


def test_a_stopped_training_goes_on_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv", PAIRS), max_steps=5)
    assert train(tmp_path / "whole", **settings, reply_vocabulary=True) == 0
    with monkeypatch.context() as patched:
        stop_after_step(patched, 3)
        train(tmp_path / "stopped", **settings, reply_vocabulary=True)
    assert train(tmp_path / "stopped") == 0
    assert_same_weights(tmp_path / "whole", tmp_path / "stopped")
    assert train(tmp_path / "plain", **settings) == 0
    with pytest.raises(AssertionError):
        assert_same_weights(tmp_path / "whole", tmp_path / "plain")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tie_embeddings": True}, "--tie_embeddings"),
        ({"subwords": "bpe", "vocab_size": 300, "subword_sampling": 0.1}, "--subword_sampling"),
    ],
)
def test_what_contradicts_it_is_named(tmp_path: Path, changes: Any, named: str) -> None:
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv"), reply_vocabulary=True)
    with pytest.raises(ChatbotError, match=named):
        train(tmp_path / "model", **settings, **changes)
