"""One label an image: digits, by attention pooling over the positions of a convolution."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import tensorflow as tf

from chatbot.network.dropout import drop
from chatbot.network.pooling import AttentionPooling
from examples.common import Array, Options, run_example, train
from examples.data import read_digits
from examples.layers import Convolution, Dense, count_positions
from examples.pictures import draw_maps

PURPOSE = "Tells scikit-learn's digits apart, with attention pooling and with the positions' mean."
CHANNELS = 32
SIDE = 8
CLASSES = 10
SHOWN = 10


class Classifier(tf.Module):
    """Two convolutions, one vector pooled of their positions, and a logit a class."""

    def __init__(self, attends: bool, seed: int) -> None:
        super().__init__()
        seeds = Random(seed)
        self.layers = [Convolution(1, CHANNELS, seeds), Convolution(CHANNELS, CHANNELS, seeds)]
        self.pooling = AttentionPooling("bahdanau", CHANNELS, seeds) if attends else None
        self.output = Dense(CHANNELS, CLASSES, seeds)

    def __call__(self, images: Any, seed: Any = None) -> Any:
        """Takes `float32 [B, 8, 8]`; returns logits `[B, 10]` and the weights `[B, 64]`."""
        x = images[..., tf.newaxis]
        for layer in self.layers:
            x = tf.nn.relu(layer(x))
        memory = drop(tf.reshape(x, [-1, SIDE * SIDE, CHANNELS]), seed, 0, 0.2)
        if self.pooling is None:
            return self.output(tf.reduce_mean(memory, 1)), None
        contexts, weights = self.pooling(memory, count_positions(memory))
        return self.output(contexts[:, 0]), weights[:, 0]


def learn(arrays: Sequence[Array], attends: bool, options: Options) -> Classifier:
    """Trains a classifier on the mean cross entropy."""
    network = Classifier(attends, options.seed)

    def loss(seed: Any, images: Any, labels: Any) -> Any:
        logits, _ = network(images, seed)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))

    train(loss, network, arrays, options)
    return network


def work(options: Options) -> dict[str, float]:
    """Trains both classifiers, draws the attention, and returns accuracies on held-out digits."""
    images, labels, test_images, test_labels = read_digits()
    figures = {}
    for name, attends in (("mean of the positions", False), ("attention pooling", True)):
        network = learn((images, labels), attends, options)
        logits, weights = network(test_images)
        found = tf.argmax(logits, -1).numpy()
        figures[name] = float(np.mean(found == test_labels))
    shown = [int(np.argmax(test_labels == digit)) for digit in range(SHOWN)]
    maps = weights.numpy()[shown].reshape([SHOWN, SIDE, SIDE])
    draw_maps(options.picture, test_images[shown], maps, [str(found[place]) for place in shown])
    return figures


if __name__ == "__main__":
    run_example(work, PURPOSE, "digits.png", 15)
