"""One label a text: sentiment, by attention pooling over the words."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import tensorflow as tf

from chatbot.network.dropout import drop
from chatbot.network.pooling import AttentionPooling
from chatbot.text import Vocabulary
from chatbot.text.padding import pad_rows
from examples.baselines import score_bag_of_words
from examples.common import Array, Options, run_example, train
from examples.data import Text, build_vocabulary, read_texts
from examples.layers import Dense, draw_vectors
from examples.pictures import draw_texts

PURPOSE = "Tells positive from negative texts, with attention pooling and with the words' mean."
UNITS = 64
SHOWN = 12


class Classifier(tf.Module):
    """Words to vectors, one vector pooled of these, and a logit.

    Were there an LSTM between, each state would know the whole text, and the weights no word.
    """

    def __init__(self, words: int, attends: bool, seed: int) -> None:
        super().__init__()
        seeds = Random(seed)
        self.words = draw_vectors(words, UNITS, seeds)
        self.pooling = AttentionPooling("bahdanau", UNITS, seeds) if attends else None
        self.output = Dense(UNITS, 1, seeds)

    def __call__(self, words: Any, lengths: Any, seed: Any = None) -> Any:
        """Returns logits `[B]`, and the weights `[B, S]`, those of the mean without attention."""
        vectors = drop(tf.gather(self.words, words), seed, 0, 0.5)
        if self.pooling is None:
            real = tf.sequence_mask(lengths, tf.shape(words)[1], tf.float32)
            weights = real / tf.cast(lengths, tf.float32)[:, tf.newaxis]
            pooled = tf.linalg.matvec(vectors, weights, transpose_a=True)
        else:
            contexts, weights = self.pooling(vectors, lengths)
            pooled, weights = contexts[:, 0], weights[:, 0]
        return self.output(pooled)[:, 0], weights


def encode(texts: Sequence[Text], known: Vocabulary) -> list[Array]:
    """Returns ids `int32 [B, S]`, lengths `int32 [B]` and labels `float32 [B]`."""
    labels = np.array([x.label for x in texts], np.float32)
    return [*pad_rows([known.encode(x.words) for x in texts]), labels]


def learn(arrays: Sequence[Array], words: int, attends: bool, options: Options) -> Classifier:
    """Trains a classifier on the mean cross entropy."""
    network = Classifier(words, attends, options.seed)

    def loss(seed: Any, words: Any, lengths: Any, labels: Any) -> Any:
        logits, _ = network(words[:, : tf.reduce_max(lengths)], lengths, seed)
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))

    train(loss, network, arrays, options)
    return network


def work(options: Options) -> dict[str, float]:
    """Trains both classifiers, draws the attention, and returns accuracies on held-out texts."""
    learned, asked = read_texts(options.data)
    known = build_vocabulary((x.words for x in learned), 2)
    arrays, (words, lengths, labels) = encode(learned, known), encode(asked, known)
    figures = {"bag of words": score_bag_of_words(learned, asked, known)}
    for name, attends in (("mean of the words", False), ("attention pooling", True)):
        logits, weights = learn(arrays, len(known), attends, options)(words, lengths)
        figures[name] = float(np.mean((logits.numpy() > 0) == labels))
    short = np.flatnonzero(lengths <= 12)
    short = short[:: max(1, len(short) // SHOWN)][:SHOWN]
    chances = tf.sigmoid(logits).numpy()
    titles = [f"{chances[x]:.2f}" for x in short]
    draw_texts(options.picture, titles, [asked[x].words for x in short], weights.numpy()[short])
    return figures


if __name__ == "__main__":
    what = "Directory with pos.txt and neg.txt, a text a line."
    run_example(work, PURPOSE, "sentiment.png", 20, "data/examples/sentiment", what)
