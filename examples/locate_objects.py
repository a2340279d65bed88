"""Objects in an image: digits on a canvas, each with its class and its box.

Every class has a learned query, which looks for its digit: so there is a box for each object, and
none where nothing is. Two digits of one class would need two queries, and are not on a canvas.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import tensorflow as tf

from chatbot.network.pooling import AttentionPooling
from examples.common import Array, Options, run_example, train
from examples.data import read_digits
from examples.images import SIDE, make_canvases, score_boxes
from examples.layers import Convolution, Dense, count_positions, list_places
from examples.pictures import draw_maps

PURPOSE = "Finds digits on a canvas: their classes and boxes, with attention and without."
CLASSES, UNITS, CELLS = 10, 64, SIDE // 2
CANVASES, TEST_CANVASES, SHOWN = 4000, 500, 10


class Detector(tf.Module):
    """Convolutions; for every class a vector of them, and of that a logit and a box."""

    def __init__(self, attends: bool, seed: int) -> None:
        super().__init__()
        seeds = Random(seed)
        sizes = ((1, 16, 1), (16, 32, 2), (32, 48, 1), (48, UNITS - 2, 1))
        self.layers = [Convolution(*size[:2], seeds, size[2]) for size in sizes]
        self.attends = attends
        if attends:
            self.pooling = AttentionPooling("luong", UNITS, seeds, CLASSES)
        else:
            self.flattened = Dense(CELLS * CELLS * UNITS, CLASSES * 16, seeds)
        self.hidden = Dense(2 * UNITS if attends else 16, UNITS, seeds)
        self.output = Dense(UNITS, 5, seeds)

    def __call__(self, canvases: Any) -> Any:
        """Takes `float32 [B, 24, 24]`; returns logits `[B, 10]`, boxes, and the weights, if any.

        The boxes `[B, 10, 4]` are left, top, right and bottom, from 0 to 1; the weights are
        `[B, 10, 144]`.
        """
        x, batch = canvases[..., tf.newaxis], tf.shape(canvases)[0]
        for layer in self.layers:
            x = tf.nn.relu(layer(x))
        places = tf.broadcast_to(list_places(CELLS, CELLS), [batch, CELLS * CELLS, 2])
        memory = tf.concat([tf.reshape(x, [batch, CELLS * CELLS, UNITS - 2]), places], -1)
        if self.attends:
            contexts, weights = self.pooling(memory, count_positions(memory))
            queries = tf.broadcast_to(self.pooling.queries, tf.shape(contexts))
            vectors = tf.concat([contexts, queries], -1)
        else:
            flat = self.flattened(tf.reshape(memory, [batch, CELLS * CELLS * UNITS]))
            vectors, weights = tf.reshape(tf.nn.relu(flat), [batch, CLASSES, 16]), None
        found = self.output(tf.nn.relu(self.hidden(vectors)))
        return found[..., 0], found[..., 1:], weights


def learn(arrays: Sequence[Array], attends: bool, options: Options) -> Detector:
    """Trains a detector: cross entropy of what is there, and the boxes' distance where it is."""
    network = Detector(attends, options.seed)

    def loss(_: Any, canvases: Any, present: Any, boxes: Any) -> Any:
        logits, found, _ = network(canvases)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(present, logits)
        distances = present * tf.reduce_sum(tf.abs(found - boxes), -1)
        return tf.reduce_mean(tf.reduce_sum(losses + 5.0 * distances, -1))

    train(loss, network, arrays, options)
    return network


def work(options: Options) -> dict[str, float]:
    """Trains both detectors, draws the attention, and returns F1 at an overlap of half."""
    images, labels, test_images, test_labels = read_digits()
    arrays = make_canvases(images, labels, CANVASES, options.seed)
    canvases, present, boxes = make_canvases(test_images, test_labels, TEST_CANVASES, 1)
    figures = {}
    for name, attends in (("all positions in one layer", False), ("a query a class", True)):
        logits, found, weights = learn(arrays, attends, options)(canvases)
        figures[name] = score_boxes(logits.numpy() > 0, found.numpy(), present > 0, boxes)
    shown = np.argwhere(present > 0)[:SHOWN]  # canvas and class
    places = tuple(shown.T)
    titles = [f"{digit}: {tf.sigmoid(logits[row, digit]):.2f}" for row, digit in shown]
    maps = weights.numpy()[places].reshape([-1, CELLS, CELLS])
    outlined = found.numpy()[places] * SIDE
    draw_maps(options.picture, canvases[shown[:, 0]], maps, titles, outlined)
    return figures


if __name__ == "__main__":
    run_example(work, PURPOSE, "boxes.png", 12)
