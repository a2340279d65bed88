from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.errors import ChatbotError
from chatbot.network.seq2seq import Seq2Seq
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import SPECIAL_TOKENS, Vocabulary
from chatbot.training.embeddings import load_embeddings
from tests.conftest import E, Pairs, make_config
from tests.network.test_dropout import SEED
from tests.trainings import (
    assert_same_weights,
    read_weights,
    stop_after_step,
    tiny_settings,
    train,
    write_pairs,
)

VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *"uvwxyz"])
GIVEN = {"w": 1.0, "Y": 2.0, "<unk>": 3.0, "other": 4.0}


def write_vectors(path: Path, numbers: dict[str, float]) -> str:
    rows = (f"{word} {' '.join([str(number)] * E)}\n" for word, number in numbers.items())
    path.write_text("".join(rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_vectors_that_are_found_take_their_place_and_keep_it_if_frozen(
    tmp_path: Path, pairs: Pairs, frozen: bool, tied: bool
) -> None:
    config = make_config("luong", freeze_embeddings=frozen, tie_embeddings=tied)
    model, path = Seq2Seq(config, len(VOCABULARY)), write_vectors(tmp_path / "vectors", GIVEN)
    before, scale = model.embedding.numpy(), np.sqrt((1 + 4 + 9) / 3)
    said = load_embeddings(model, path, VOCABULARY)
    kept = " and keep it" if frozen else ""
    assert said == (
        f"2 of 6 words (33.3%) have their vector from {path}{kept}; the others begin at random"
    )
    places = [VOCABULARY.encode([word])[0] for word in ("w", "y", "<unk>")]
    expected = before * scale / np.sqrt(np.square(before).mean())
    expected[places] = np.array([[1.0], [2.0], [3.0]])
    np.testing.assert_allclose(model.embedding, expected, rtol=1e-5)
    moved = _find_moved(model, pairs)
    assert not moved[places].any() if frozen else moved[places[:2]].all()
    assert moved[[VOCABULARY.encode([word])[0] for word in "uxz"]].all()


def test_words_with_like_vectors_begin_with_like_columns_of_the_projection() -> None:
    model = Seq2Seq(make_config("luong"), 40)
    before = model.projection.kernel.numpy().T
    places = np.random.default_rng(0).permutation(40)[: 3 * E]
    vectors = np.random.default_rng(1).normal(3, 0.5, [3 * E, E]).astype(np.float32)
    model.give_vectors(places, vectors)
    columns = model.projection.kernel.numpy().T
    others = np.setdiff1d(np.arange(40), places)
    np.testing.assert_array_equal(columns[others], before[others])
    # One linear map, with more words than it has rows, makes every column of its vector.
    centred = vectors - vectors.mean(axis=0)
    mixing = np.linalg.lstsq(centred, columns[places], rcond=None)[0]
    np.testing.assert_allclose(centred @ mixing, columns[places], atol=1e-6)
    sizes = [np.sqrt(np.square(x).mean()) for x in (columns[places], before)]
    assert sizes[0] == pytest.approx(sizes[1], rel=1e-5)


def test_one_vector_alone_has_nothing_to_be_like() -> None:
    model = Seq2Seq(make_config("luong"), len(VOCABULARY))
    model.give_vectors(np.array([5]), np.ones([1, E], np.float32))
    assert not model.projection.kernel.numpy()[:, 5].any()
    assert np.isfinite(model.embedding).all()


def _find_moved(model: Seq2Seq, pairs: Pairs) -> Any:
    """Tells which word vectors have a gradient."""
    with tf.GradientTape() as tape:
        loss = model.loss(*pairs, SEED)
    gradient = tf.convert_to_tensor(tape.gradient(loss, model.embedding))
    return np.abs(gradient.numpy()).max(axis=1) > 0


def test_training_keeps_frozen_vectors_and_resumes_without_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_vectors(tmp_path / "vectors", {"hello": 0.5, "you": -0.25, "absent": 1.0})
    settings = tiny_settings(
        write_pairs(tmp_path / "pairs.tsv"),
        embeddings=path,
        freeze_embeddings=True,
        weight_decay=0.1,
        average_decay=0.9,
    )
    assert train(tmp_path / "whole", **settings) == 0
    assert capsys.readouterr().err.count(f"have their vector from {path} and keep it") == 1
    with monkeypatch.context() as patch:
        stop_after_step(patch, 5)
        train(tmp_path / "cut", **settings)
    Path(path).unlink()
    assert train(tmp_path / "cut", **settings) == 0
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")
    vocabulary = ModelDirectory(tmp_path / "cut").load()[1]
    places = vocabulary.encode(["hello", "you"])
    for key, value in read_weights(tmp_path / "cut").items():
        if key.endswith("embedding/.ATTRIBUTES/VARIABLE_VALUE"):
            np.testing.assert_array_equal(value[places], [[0.5] * E, [-0.25] * E])


def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "vectors", {"nothing": 1.0, "known": 2.0})
    settings = tiny_settings(write_pairs(tmp_path / "pairs.tsv"), embeddings=path)
    for changes, message in (
        ({"embedding_size": 7}, f"has vectors of {E} numbers; give --embedding_size={E}"),
        ({"embeddings": str(tmp_path / "none")}, "cannot be read"),
        ({"embeddings": "", "freeze_embeddings": True}, "keeps the vectors of --embeddings; name"),
    ):
        with pytest.raises(ChatbotError, match=message):
            train(tmp_path / "model", **{**settings, **changes})
        assert not (tmp_path / "model").exists()
    with pytest.raises(ChatbotError, match="has none of the 6 words"):
        load_embeddings(Seq2Seq(make_config("luong"), len(VOCABULARY)), path, VOCABULARY)
