"""Cross entropy over the real tokens of the replies."""

from __future__ import annotations

import tensorflow as tf


def gather_real(values: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Picks the real positions out of a padded batch, row after row.

    Args:
        values: `[B, T, ...]`, padded on the right.
        lengths: `int32 [B]`, the real positions of each row.

    Returns:
        `[N, ...]`, N being the sum of `lengths`.
    """
    return tf.boolean_mask(values, tf.sequence_mask(lengths, tf.shape(values)[1]))


def token_losses(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Computes each token's cross entropy, in float32 whatever the logits' type.

    Args:
        logits: `float [N, V]`.
        targets: `int32 [N]`, ids of the right tokens.

    Returns:
        `float32 [N]`, -log softmax(logits)[target], in nats.
    """
    return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, tf.cast(logits, tf.float32))
