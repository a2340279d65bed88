"""Scheduled sampling: in training the decoder reads some of its own guesses.

It follows Bengio et al. 2015, "Scheduled Sampling for Sequence Prediction with Recurrent Neural
Networks", in the two passes of Mihaylova and Martins 2019, "Scheduled Sampling for Transformers".
A first pass over the true reply gives the likeliest word at every place. The second pass, which is
trained, reads each of these in place of the true word with the probability that the schedule has
come to. So the projection to the vocabulary stays outside the loop, for the price of a decoder pass
and a projection without gradients. Unlike in Bengio et al.'s loop, a guess knows the true words
before it and not the guesses among them.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from chatbot.network.dropout import SAMPLING_STREAM, draw_kept


def mix_guesses(
    input_ids: tf.Tensor,
    guess: Callable[[tf.Tensor], tf.Tensor],
    probability: tf.Tensor,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Replaces some of the words that the decoder reads by its own guesses.

    Args:
        input_ids: `int32 [B, T]`, the start token and the reply without its last token.
        guess: Makes of such words the likeliest next ones, `int32 [B, T]`.
        probability: `float32 []`, that a word is replaced.
        seed: `int32 [2]`, of the step.

    Returns:
        `int32 [B, T]`; the start token stays.
    """
    guesses = tf.concat([input_ids[:, :1], guess(input_ids)[:, :-1]], axis=1)
    kept = draw_kept(seed, SAMPLING_STREAM, tf.shape(input_ids), probability)
    return tf.where(kept, input_ids, guesses)


def schedule(probability: float, step: tf.Tensor, total_steps: int) -> tf.Tensor:
    """Returns how likely a guess is at a step `int32 []` from 0: a share that grows linearly.

    Args:
        probability: What it would be at `total_steps`.
        step: The step.
        total_steps: Steps of the whole training.
    """
    return probability * tf.cast(step, tf.float32) / float(total_steps)
