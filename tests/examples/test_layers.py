from __future__ import annotations

from random import Random

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from examples.common import Options, plan_batches
from examples.images import make_canvases, measure_distance, overlap, score_boxes
from examples.layers import BidirectionalLSTM, list_places

B, S, X, U = 3, 5, 2, 4
LENGTHS = tf.constant([5, 1, 3])


def draw(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_bidirectional_lstm_reads_the_real_words_alone_both_ways() -> None:
    layer, inputs = BidirectionalLSTM(X, U, Random(0)), draw(B, S, X)
    states = layer(tf.constant(inputs), LENGTHS)
    assert states.shape == [B, S, 2 * U]
    for row, length in enumerate(LENGTHS.numpy()):
        alone = layer(tf.constant(inputs[row : row + 1, :length]), tf.constant([length]))
        np.testing.assert_allclose(states[row, :length], alone[0], rtol=1e-5, atol=1e-6)
    layer.directions = layer.directions[::-1]
    turned = layer(tf.constant(inputs[:1, ::-1]), LENGTHS[:1])[0, ::-1]
    np.testing.assert_allclose(states[0, :, :U], turned[:, U:], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(states[0, :, U:], turned[:, :U], rtol=1e-5, atol=1e-6)


def test_places_go_row_by_row() -> None:
    places = list_places(2, 3).numpy().tolist()
    assert places == [[0, 0], [0.5, 0], [1, 0], [0, 1], [0.5, 1], [1, 1]]


def test_every_epoch_reads_every_example_once() -> None:
    batches = plan_batches(10, 4, Options("", 3, 7, ""))
    assert [len(x) for x in batches] == [4, 4, 2] * 3
    epochs = np.concatenate(batches).reshape(3, 10)
    np.testing.assert_array_equal(np.sort(epochs), [range(10)] * 3)
    assert not np.array_equal(epochs[0], epochs[1])


def test_boxes_hold_all_ink_and_nothing_else() -> None:
    images = np.zeros([10, 8, 8], np.float32)
    images[:, 1:7, 2:5] = 0.5
    canvases, present, boxes = make_canvases(images, np.arange(10), 40, 3)
    assert set(present.sum(1)) == {1.0, 2.0, 3.0}
    for canvas, there, found in zip(canvases, present, boxes):
        ink = np.zeros_like(canvas)
        for left, top, right, bottom in np.rint(found[there > 0] * 24).astype(int):
            assert (right - left, bottom - top) == (3, 6)
            ink[top:bottom, left:right] += 0.5
        np.testing.assert_array_equal(canvas, ink)
    assert not boxes[present == 0].any()


def test_overlap_by_hand() -> None:
    one = np.array([0.0, 0.0, 2.0, 2.0])
    others = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [2, 0, 4, 2], [0, 0, 1, 2], [3, 3, 3, 3]])
    np.testing.assert_allclose(overlap(one, others), [1, 1 / 7, 0, 1 / 2, 0])


def test_f1_counts_classes_boxes_and_what_is_missed() -> None:
    boxes = np.tile(np.array([0.0, 0.0, 1.0, 1.0]), [1, 4, 1])
    found = boxes.copy()
    found[0, 1] = [0.0, 0.0, 0.4, 1.0]  # too small
    claimed = np.array([[True, True, True, False]])
    present = np.array([[True, True, False, True]])
    # One is right of three claimed and three that are there.
    assert score_boxes(claimed, found, present, boxes) == 2 * 1 / 6
    assert score_boxes(present, boxes, present, boxes) == 1.0


def test_distance_of_normal_distributions() -> None:
    images = draw(500, 8, 8).astype(np.float64)
    assert abs(measure_distance(images, images)) < 1e-6
    assert abs(measure_distance(images, images + 0.5) - 64 * 0.25) < 1e-6
    # Twice as wide: the sum of the variances of (2 - 1) x.
    wide = images.reshape(500, -1).var(0, ddof=1).sum()
    assert abs(measure_distance(images, 2 * images - images.mean(0)) - wide) < 1e-6
