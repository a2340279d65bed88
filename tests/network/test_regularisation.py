"""What training does beside following the gradient: dropout, label smoothing, weight decay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.network.decoder import DROPOUT_STREAM
from chatbot.network.rnn import draw_mask, draw_step_masks
from chatbot.network.seq2seq import EMBEDDING_STREAM, OUTPUT_STREAM, Seq2Seq
from chatbot.settings.config import TrainingConfig
from chatbot.training.distribution import Distribution
from chatbot.training.step import make_train_step
from tests.conftest import QUERIES, REPLIES, B, E, L, Pairs, S, T, U, make_model
from tests.oracles import Masks, Network, list_variables
from tests.trainings import take_step

SEED = tf.constant([1, 20])
RATES = {"dropout": 0.5, "embedding_dropout": 0.25, "output_dropout": 0.4}


def draw_all_masks(row: int, same: bool) -> Masks:
    """The masks that one pair of the padded batch should meet, by `draw_mask` alone."""

    def draw(stream: int, steps: int, width: int, rate: float, same: bool) -> Any:
        mask = draw_mask(SEED, stream, [B, 1 if same else steps, width], rate, tf.float32)
        return np.broadcast_to(mask, [B, steps, width])[row]

    query, reply = len(QUERIES[row]), len(REPLIES[row])
    return Masks(
        query=draw(EMBEDDING_STREAM, S, E, 0.25, False)[:query],
        encoder=[draw(layer, S, U, 0.5, same)[:query] for layer in range(L)],
        reply=draw(EMBEDDING_STREAM + 1, T, E, 0.25, False)[:reply],
        decoder=draw(DROPOUT_STREAM, T, L * U, 0.5, same).reshape(T, L, U)[:reply],
        output=draw(OUTPUT_STREAM, T, U, 0.4, same)[:reply],
    )


@pytest.mark.parametrize("same", [False, True], ids=["each step", "variational"])
@pytest.mark.parametrize("fast", [False, True], ids=["libraries", "own"])
@pytest.mark.parametrize("attention", ["bahdanau", "none"])
def test_losses_under_every_dropout_equal_the_oracle_under_the_drawn_masks(
    attention: str, fast: bool, same: bool, pairs: Pairs
) -> None:
    model = make_model(attention, variational_dropout=same, **RATES)
    model.compute_fast(fast)
    network = Network(model)
    rows = [
        network.token_losses(QUERIES[row], REPLIES[row], draw_all_masks(row, same))
        for row in range(B)
    ]
    losses = model.token_log_losses(*pairs, SEED)
    np.testing.assert_allclose(losses, np.concatenate(rows), atol=2e-4)


def test_variational_masks_are_the_same_at_every_step_and_differ_between_rows_and_layers() -> None:
    model = make_model("none", dropout=0.5, variational_dropout=True)
    masks = model.decoder._draw_masks(tf.zeros([B, T, E]), SEED).numpy().reshape(B, T, L, U)
    assert np.all(masks == masks[:, :1])
    for one, other in ((masks[0], masks[1]), (masks[:, :, 0], masks[:, :, 1])):
        assert np.any(one != other)
    other = draw_step_masks(SEED, DROPOUT_STREAM, [B, T, L * U], 0.5, tf.float32, same=False)
    assert np.any(other[:, 0] != other[:, 1])


@pytest.mark.parametrize("fast", [False, True], ids=["libraries", "own"])
def test_output_dropout_drops_alone_and_only_in_training(fast: bool, pairs: Pairs) -> None:
    none, some = (make_model("luong", dropout=0.0, output_dropout=rate) for rate in (0.0, 0.5))
    for model in (none, some):
        model.compute_fast(fast)
    undropped = none.token_log_losses(*pairs, SEED)
    np.testing.assert_array_equal(some.token_log_losses(*pairs), undropped)
    assert np.all(np.abs(some.token_log_losses(*pairs, SEED) - undropped) > 1e-4)


@pytest.mark.parametrize("fast", [False, True], ids=["libraries", "own"])
def test_label_smoothing_changes_the_gradient_and_not_the_loss(fast: bool, pairs: Pairs) -> None:
    model = make_model("luong")
    model.compute_fast(fast)
    losses, gradients = [], []
    for smoothing in (0.0, 0.5, 0.25):
        with tf.GradientTape() as tape:
            loss = model.loss(*pairs, None, smoothing)
        losses.append(float(loss))
        gradients.append(tape.gradient(loss, model.projection.kernel).numpy())
    assert losses == [losses[0]] * 3
    assert np.abs(gradients[1] - gradients[0]).max() > 1e-2
    # It is linear in the smoothing.
    np.testing.assert_allclose(gradients[2], (gradients[0] + gradients[1]) / 2, atol=1e-5)


@pytest.fixture
def _eagerly() -> Iterator[None]:
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def descend(model: Seq2Seq, pairs: Pairs, weight_decay: float, rate: float) -> list[Any]:
    """Returns the weights after a step of plain descent, and puts the old ones back."""
    variables = list_variables(model)
    before = [variable.numpy() for variable in variables]
    descent = tf.keras.optimizers.legacy.SGD(1.0)
    config = TrainingConfig(weight_decay=weight_decay, max_gradient_norm=1e9, seed=4)
    take_step(make_train_step(model, descent, config, Distribution()), pairs, 6, rate)
    after = [variable.numpy() for variable in variables]
    for variable, old in zip(variables, before):
        variable.assign(old)
    return after


@pytest.mark.usefixtures("_eagerly")
def test_weight_decay_shrinks_matrices_by_its_share_of_the_rate_and_spares_vectors(
    pairs: Pairs,
) -> None:
    model = make_model("bahdanau")
    before = [variable.numpy() for variable in list_variables(model)]
    decayed, plain = (descend(model, pairs, decay, rate=0.5) for decay in (0.4, 0.0))
    assert {old.ndim for old in before} == {1, 2}
    for old, with_decay, without in zip(before, decayed, plain):
        expected = without - (0.5 * 0.4 * old if old.ndim == 2 else 0.0)
        np.testing.assert_allclose(with_decay, expected, rtol=1e-4, atol=1e-5)
