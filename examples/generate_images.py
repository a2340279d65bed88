"""Images from noise: a GAN of digits whose generator attends to its own positions.

Goodfellow et al. 2014, "Generative Adversarial Nets"; Zhang et al. 2019, "Self-Attention GANs".
"""

from __future__ import annotations

from random import Random
from typing import Any

import tensorflow as tf

from chatbot.network.pooling import attend, make_attention
from examples.common import Array, Descent, Options, plan_batches, run_example
from examples.data import read_digits
from examples.images import measure_distance
from examples.layers import Convolution, Dense, count_positions
from examples.pictures import draw_maps

PURPOSE = "Makes digits from noise, with attention in the generator and without."
NOISE, CHANNELS, SIDE, SHOWN = 32, 32, 8, 10
cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits


class Generator(tf.Module):
    """Noise to 4 by 4 positions, doubled to 8 by 8, between them every position's attention."""

    def __init__(self, attends: bool, seeds: Random) -> None:
        super().__init__()
        self.start = Dense(NOISE, SIDE * SIDE // 4 * CHANNELS, seeds)
        self.middle = Convolution(CHANNELS, CHANNELS, seeds)
        self.attention = make_attention("luong", CHANNELS, seeds) if attends else None
        self.share = tf.Variable(0.0) if attends else None
        self.end = Convolution(CHANNELS, 1, seeds)

    def __call__(self, noise: Any) -> Any:
        """Returns images `[B, 8, 8]`, from 0 to 1, and the weights `[B, 64, 64]`, if any."""
        x = tf.reshape(self.start(noise), [-1, SIDE // 2, SIDE // 2, CHANNELS])
        x = tf.nn.relu(self.middle(tf.repeat(tf.repeat(tf.nn.relu(x), 2, 1), 2, 2)))
        weights, memory = None, tf.reshape(x, [-1, SIDE * SIDE, CHANNELS])
        if self.attention is not None:
            contexts, weights = attend(self.attention, memory, memory, count_positions(memory))
            x += self.share * tf.reshape(contexts, tf.shape(x))
        return tf.sigmoid(self.end(x))[..., 0], weights


class Critic(tf.Module):
    """Two convolutions and one logit: whether a digit is from the data."""

    def __init__(self, seeds: Random) -> None:
        super().__init__()
        sizes = ((1, CHANNELS, seeds), (CHANNELS, CHANNELS, seeds, 2))
        self.first, self.second = (Convolution(*size) for size in sizes)
        self.output = Dense(SIDE * SIDE // 4 * CHANNELS, 1, seeds)

    def __call__(self, images: Any) -> Any:
        """Takes `float32 [B, 8, 8]`; returns logits `[B, 1]`."""
        x = tf.nn.leaky_relu(self.second(tf.nn.leaky_relu(self.first(images[..., tf.newaxis]))))
        return self.output(tf.reshape(x, [-1, SIDE * SIDE // 4 * CHANNELS]))


def learn(images: Array, attends: bool, options: Options) -> Generator:
    """Trains generator and critic in turns."""
    seeds = Random(options.seed)
    generator, critic = Generator(attends, seeds), Critic(seeds)
    descents = [Descent(part.trainable_variables, 0.5) for part in (generator, critic)]

    @tf.function(autograph=False)
    def step(real: Any, seed: Any) -> None:
        with tf.GradientTape(persistent=True) as tape:
            noise = tf.random.stateless_normal([tf.shape(real)[0], NOISE], seed)
            true, false = critic(real), critic(generator(noise)[0])
            fooled = tf.reduce_mean(cross_entropy(tf.ones_like(false), false))
            told = cross_entropy(tf.fill(tf.shape(true), 0.9), true)  # 1 would make it too sure
            told = tf.reduce_mean(told + cross_entropy(tf.zeros_like(false), false))
        descents[0].take(tape, fooled)
        descents[1].take(tape, told)

    for number, places in enumerate(plan_batches(len(images), 32, options)):
        step(tf.constant(images[places]), tf.constant([options.seed, number]))
    return generator


def work(options: Options) -> dict[str, float]:
    """Trains both GANs, draws the attention, and returns distances from held-out digits."""
    learned, _, held_out, _ = read_digits()
    figures = {"the digits learned from": measure_distance(learned, held_out)}
    noise = tf.random.stateless_normal([2000, NOISE], [options.seed, 1 << 20])
    for name, attends in (("without attention", False), ("with attention", True)):
        images, weights = learn(learned, attends, options)(noise)
        figures[name] = measure_distance(images.numpy(), held_out)
    maps = tf.reshape(weights[:SHOWN, 36], [SHOWN, SIDE, SIDE])
    draw_maps(options.picture, images[:SHOWN], maps, [""] * SHOWN)
    return figures


if __name__ == "__main__":
    run_example(work, PURPOSE, "generated.png", 60)
