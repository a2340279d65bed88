"""Token ids to text by core TensorFlow operations alone, as `chatbot.text.join` does it."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from chatbot.export.leaning import Traits, tabulate
from chatbot.export.reading import make_table, replace_known
from chatbot.network.steps import Shapes, Tensors, run_steps
from chatbot.text import Vocabulary
from chatbot.text.joining import AFTER, BEFORE, FULL_WIDTH


class Writer(tf.Module):
    """Writes replies as natural text."""

    def __init__(self, vocabulary: Vocabulary, words: tf.lookup.StaticHashTable) -> None:
        """Makes the tables.

        Args:
            vocabulary: The model's words.
            words: A table of them, `int64` to `string`.
        """
        super().__init__()
        self._words = words
        self._full_width = make_table(FULL_WIDTH)
        self._nothing = len(vocabulary)
        traits, self._leans = tabulate(vocabulary.words)
        self._no_kind = int(traits.kind[-1])
        self._traits = np.stack(traits, axis=1)

    def __call__(self, ids: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Writes replies.

        Args:
            ids: `int32 [N, T]`, the replies' tokens and anything behind them; T is at least 1.
            lengths: `int32 [N]`, tokens of each reply.

        Returns:
            `string [N]`.
        """
        real = tf.sequence_mask(lengths, tf.shape(ids)[1])
        traits = self._find_traits(tf.where(real, ids, self._nothing))
        leans, is_amid_wide = self._lean(traits, lengths)
        words = self._words.lookup(tf.cast(ids, tf.int64))
        words = tf.where(is_amid_wide, replace_known(self._full_width, words), words)
        is_apart = tf.logical_not(_find_glued(traits, leans, is_amid_wide))
        blanks = tf.where(tf.logical_and(is_apart, tf.range(tf.shape(ids)[1]) > 0), " ", "")
        return tf.strings.reduce_join(tf.where(real, blanks + words, ""), axis=1)

    def _find_traits(self, ids: tf.Tensor) -> Traits:
        """Looks up tokens: their kinds `int32 [N, T]`, and the rest as truth values."""
        kind, sign, *others = tf.unstack(tf.gather(self._traits, ids), axis=2)
        asked = Traits(kind, sign, *(trait != 0 for trait in others))
        return asked._replace(depth=others[Traits._fields.index("depth") - 2])

    def _lean(self, traits: Traits, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns how tokens lean, `int32 [N, T]`, and which are amid wide ones, `bool [N, T]`."""
        before, after = (_shift(traits.kind, steps, self._no_kind) for steps in (1, -1))
        places = tf.stack([traits.sign, before, after], axis=2)
        leans = tf.cast(tf.gather_nd(self._leans, places), tf.int32)
        is_last = tf.range(tf.shape(leans)[1]) == lengths[:, tf.newaxis] - 1
        leans = _pair(leans, traits.is_quote, is_last)
        closes = tf.logical_and(_shift(traits.is_n, 1), _shift(traits.is_apostrophe, 2))
        open_ones = tf.logical_and(traits.is_apostrophe, leans == 0)
        leans = tf.where(tf.logical_and(open_ones, closes), BEFORE, leans)
        quotes = tf.logical_and(open_ones, tf.logical_not(closes))
        leans = _pair(leans, quotes, _shift(traits.is_word, 1))
        closes_nothing, is_amid_wide = _walk(traits)
        is_face = tf.logical_and(traits.is_eyes, _shift(closes_nothing, -1))
        return tf.where(is_face, 0, leans), is_amid_wide


def _shift(values: tf.Tensor, steps: int, fill: Any = False) -> tf.Tensor:
    """Moves `[N, T]` along the tokens; a positive number of steps gives each the one before."""
    paddings = [[0, 0], [max(steps, 0), max(-steps, 0)]]
    padded = tf.pad(values, paddings, constant_values=fill)
    return padded[:, -steps:] if steps < 0 else padded[:, : tf.shape(values)[1]]


def _pair(leans: tf.Tensor, is_quote: tf.Tensor, can_close: tf.Tensor) -> tf.Tensor:
    """Lets quotes open and close in turn; a last unpaired one closes where it can."""
    counted = tf.cast(is_quote, tf.int32)
    numbers = tf.cumsum(counted, axis=1, exclusive=True)
    count = tf.reduce_sum(counted, axis=1, keepdims=True)
    is_unpaired = tf.logical_and(count % 2 == 1, numbers == count - 1)
    closes = tf.logical_or(numbers % 2 == 1, tf.logical_and(is_unpaired, can_close))
    return tf.where(is_quote, tf.where(closes, BEFORE, AFTER), leans)


def _walk(traits: Traits) -> list[tf.Tensor]:
    """Walks through the tokens once.

    Returns:
        Which brackets close nothing, and which tokens follow Chinese or Japanese writing, with only
        signs between, each `bool [N, T]`.
    """

    def step(inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        (change, is_word, is_wide), (depth, wide) = inputs, state
        closes_nothing = tf.logical_and(change < 0, depth == 0)
        following = tf.logical_or(is_wide, tf.logical_and(wide, tf.logical_not(is_word)))
        return [closes_nothing, wide], [tf.maximum(depth + change, 0), following]

    inputs = [tf.transpose(x) for x in (traits.depth, traits.is_word, traits.is_wide)]
    state = [tf.zeros_like(traits.depth[:, 0]), tf.zeros_like(traits.is_wide[:, 0])]
    shapes: Shapes = [(tf.bool, [None])] * 2
    results, _ = run_steps(step, inputs, state, shapes)
    return [tf.transpose(result.stack()) for result in results]


def _find_glued(traits: Traits, leans: tf.Tensor, is_amid_wide: tf.Tensor) -> tf.Tensor:
    """Returns which tokens follow the one before without a blank, `bool [N, T]`."""
    ideographs = tf.logical_or(traits.is_ideograph, _shift(traits.is_ideograph, 1))
    words = tf.logical_and(traits.is_word, _shift(traits.is_word, 1))
    leaning = tf.bitwise.bitwise_or(
        tf.bitwise.bitwise_and(leans, BEFORE),
        tf.bitwise.bitwise_and(_shift(leans, 1, 0), AFTER),
    )
    wide = tf.logical_or(is_amid_wide, traits.is_wide)
    close = tf.logical_and(tf.logical_not(words), tf.logical_or(leaning != 0, wide))
    return tf.logical_and(tf.logical_or(ideographs, close), tf.logical_not(traits.is_mark))
