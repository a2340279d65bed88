"""Dropout whose masks depend on a seed alone (Srivastava et al. 2014, "Dropout", inverted form).

A resumed training thus draws the masks that an uninterrupted one would have drawn. Arguments that
several functions have: `seed`, `int32 [2]`, differs from one training step to the next; `stream`
numbers the place that a mask is for, and each place has its own masks; `rate` is the fraction
dropped, in [0, 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

# The encoder's layers count up from 0, and from 4000 the replicas' seeds do.
DECODER_STREAM = 1000
QUERY_STREAM, REPLY_STREAM = 2000, 2001  # their word vectors
WORD_STREAM = 3000  # whole words of queries
OUTPUT_STREAM = 5000  # what is projected to the vocabulary
# Weights between hidden states: of the encoder's layers, two for each, and of the decoder's.
ENCODER_WEIGHT_STREAM, DECODER_WEIGHT_STREAM = 6000, 6500
SAMPLING_STREAM = 7000  # where the decoder reads its own guesses


def draw_kept(seed: tf.Tensor, stream: int, shape: Any, rate: float) -> tf.Tensor:
    """Draws what dropout keeps: `bool` of `shape`, false with probability `rate`."""
    own = tf.random.experimental.stateless_fold_in(seed, stream)
    return tf.random.stateless_uniform(shape, own) >= rate


def draw_mask(seed: tf.Tensor, stream: int, shape: Any, rate: float, dtype: tf.DType) -> tf.Tensor:
    """Draws a mask of `shape` and `dtype`: 0 with probability `rate`, else 1 / (1 - rate)."""
    kept = draw_kept(seed, stream, shape, rate)
    return tf.cast(kept, dtype) * tf.cast(1.0 / (1.0 - rate), dtype)


def draw_step_masks(
    seed: tf.Tensor, stream: int, shape: Sequence[Any], rate: float, dtype: tf.DType, same: bool
) -> tf.Tensor:
    """Draws the masks of all steps of sequences; `shape` is rows, steps and width.

    With `same` a row has one mask for all its steps, and the result has 1 in their place: the
    variational dropout of Gal and Ghahramani 2016, "A Theoretically Grounded Application of Dropout
    in Recurrent Neural Networks", here on outputs alone.
    """
    rows, steps, width = shape
    return draw_mask(seed, stream, [rows, 1 if same else steps, width], rate, dtype)


def drop(
    values: tf.Tensor, seed: tf.Tensor | None, stream: int, rate: float, same: bool = False
) -> tf.Tensor:
    """Drops elements of `float [B, T, X]`; none without a seed, which only training has."""
    if seed is None or rate == 0:
        return values
    shape = tf.unstack(tf.shape(values))
    return values * draw_step_masks(seed, stream, shape, rate, values.dtype, same)
