"""Token ids to text in a graph, against `join`."""

from __future__ import annotations

import random

import numpy as np
import tensorflow as tf

from chatbot.export.writing import Writer
from chatbot.text import SPECIAL_TOKENS, Vocabulary, join, joining, tokenize

SIGNS = tuple("'\".,-!?:;()%$#/@&_¿·“”《。，<>[]~`…«»°€")
PLAIN = (
    *("don", "rock", "3", "10", "1234", "100", "我", "是", "々", "\U00020000", "か", "カー"),
    *("한국", "नमस्ते", "\u0301", "é", "😀", "👍", "🏽", "²", "´", "^", "1\u20e3", "!\u0301"),
    *("www", "n"),
)
TELLING = joining.DOMAINS | joining.ENDINGS | joining.BEGINNINGS | joining.ELIDED
ABBREVIATED = {part for pair in joining.ABBREVIATIONS for part in pair.split(".")}


def make_writer(vocabulary: Vocabulary) -> tf.types.experimental.GenericFunction:
    numbers = tf.range(len(vocabulary), dtype=tf.int64)
    pairs = tf.lookup.KeyValueTensorInitializer(numbers, tf.constant(vocabulary.words))
    writer = Writer(vocabulary, tf.lookup.StaticHashTable(pairs, ""))
    signature = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)]
    return tf.function(writer, signature, autograph=False)


def test_replies_of_any_tokens_are_joined_alike() -> None:
    words = dict.fromkeys((*SPECIAL_TOKENS, *SIGNS, *PLAIN, *sorted(TELLING | ABBREVIATED)))
    vocabulary = Vocabulary(list(words))
    write = make_writer(vocabulary)
    generator = random.Random(1)
    weights = [4 if word in SIGNS or word in ("don", "t", "我", "n") else 1 for word in words]
    rows, longest = 5000, 13
    ids = np.array(generator.choices(range(len(words)), weights, k=rows * longest), np.int32)
    ids = ids.reshape(rows, longest)
    lengths = np.array([generator.randint(0, longest) for _ in range(rows)], np.int32)
    for row, length, text in zip(ids, lengths, write(ids, lengths).numpy()):
        tokens = vocabulary.decode(row[:length])
        assert text.decode() == join(tokens), tokens


def test_sentences_are_written_as_people_write_them() -> None:
    texts = (
        "i don't know (really), o'clock: 10:30 a.m.",
        "他说：“你好，我是pip！”",
        '"yes" and "no", dogs\' rock \'n\' roll :) well-known www.pip.com',
        "1,000.5 % of $3, c & a; either/or #1",
    )
    cut = [tokenize(text) for text in texts]
    vocabulary = Vocabulary([*SPECIAL_TOKENS, *sorted({token for row in cut for token in row})])
    ids = tf.ragged.constant([vocabulary.encode(row) for row in cut], dtype=tf.int32)
    found = make_writer(vocabulary)(ids.to_tensor(), tf.cast(ids.row_lengths(), tf.int32))
    assert [text.decode() for text in found.numpy()] == [join(row) for row in cut]
