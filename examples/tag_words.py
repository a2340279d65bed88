"""One label a word: parts of speech, each word attending to its whole sentence."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import tensorflow as tf

from chatbot.network.dropout import drop
from chatbot.network.pooling import attend, make_attention
from chatbot.plots import draw_attention
from chatbot.text import Vocabulary
from chatbot.text.padding import pad_rows
from examples.baselines import score_frequent_tags
from examples.common import Array, Options, run_example, train
from examples.data import Tagged, build_vocabulary, list_columns, read_tagged, split
from examples.layers import BidirectionalLSTM, Dense, draw_vectors

PURPOSE = "Tags the words of sentences with their parts of speech, with attention and without."
UNITS = 32
SHOWN = 7  # words of the sentence that is drawn
cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits


class Tagger(tf.Module):
    """Words and their endings, a bidirectional LSTM, attention over its states, a label a word."""

    def __init__(self, sizes: Sequence[int], attends: bool, seed: int) -> None:
        super().__init__()
        seeds = Random(seed)
        self.words = draw_vectors(sizes[0], UNITS, seeds)
        self.endings = draw_vectors(sizes[1], UNITS, seeds)
        self.reader = BidirectionalLSTM(2 * UNITS, UNITS, seeds)
        self.attention = make_attention("bahdanau", 2 * UNITS, seeds) if attends else None
        self.output = Dense((4 if attends else 2) * UNITS, sizes[2], seeds)

    def __call__(self, words: Any, endings: Any, lengths: Any, seed: Any = None) -> Any:
        """Returns logits `[B, S, tags]`, and the weights `[B, S, S]`, None without attention."""
        vectors = [tf.gather(self.words, words), tf.gather(self.endings, endings)]
        states = self.reader(drop(tf.concat(vectors, -1), seed, 0, 0.3), lengths)
        states, weights = drop(states, seed, 1, 0.3), None
        if self.attention is not None:
            contexts, weights = attend(self.attention, states, states, lengths)
            states = tf.concat([states, contexts], -1)
        return self.output(states), weights


def encode(sentences: Sequence[Tagged], known: Sequence[Vocabulary]) -> list[Array]:
    """Returns the ids of words, endings and tags `[B, S]`, and the lengths `[B]`, all `int32`."""
    pairs = zip(known, list_columns(sentences))
    padded = [pad_rows([ids.encode(row) for row in rows]) for ids, rows in pairs]
    return [*(ids for ids, _ in padded), padded[0][1]]


def learn(arrays: Sequence[Array], sizes: Sequence[int], attends: bool, options: Options) -> Tagger:
    """Trains a tagger on the mean cross entropy of the real words."""
    network = Tagger(sizes, attends, options.seed)

    def loss(seed: Any, words: Any, endings: Any, tags: Any, lengths: Any) -> Any:
        real = tf.sequence_mask(lengths)
        words, endings, tags = (x[:, : tf.shape(real)[1]] for x in (words, endings, tags))
        logits, _ = network(words, endings, lengths, seed)
        losses = cross_entropy(tags, logits)
        return tf.reduce_mean(tf.boolean_mask(losses, real))

    train(loss, network, arrays, options)
    return network


def work(options: Options) -> dict[str, float]:
    """Trains both taggers, draws the attention, and returns the accuracies on held-out words."""
    learned, asked = split(read_tagged(options.data))
    known = [build_vocabulary(x, least) for x, least in zip(list_columns(learned), (2, 2, 1))]
    arrays, sizes = encode(learned, known), [len(x) for x in known]
    words, endings, tags, lengths = encode(asked, known)
    figures = {"most frequent tag of a word": score_frequent_tags(learned, asked)}
    for name, attends in (("without attention", False), ("with attention", True)):
        logits, weights = learn(arrays, sizes, attends, options)(words, endings, lengths)
        found = tf.argmax(logits, -1).numpy()
        figures[name] = float(np.mean((found == tags)[tf.sequence_mask(lengths)]))
    shown = int(np.argmax(lengths == SHOWN))
    row, end = asked[shown].words, lengths[shown]
    labels = [" ".join(pair) for pair in zip(row, known[2].decode(found[shown, :end]))]
    draw_attention(options.picture, row, labels, weights[shown, :end, :end].numpy(), "")
    return figures


if __name__ == "__main__":
    run_example(work, PURPOSE, "tags.png", 40, "data/examples/tags.conllu", "CoNLL-U file.")
