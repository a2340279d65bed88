"""Single steps of the decoder after a search's own loop."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from chatbot.model import Seq2Seq
from chatbot.text import EOS


def end_log_probs(
    model: Seq2Seq, state: Any, last_ids: tf.Tensor, finished: tf.Tensor
) -> tf.Tensor:
    """Takes one more step to close the replies that a search cut at their greatest length.

    Args:
        model: The network.
        state: The decoder cell's state after the last token, for R rows.
        last_ids: `int32 [R]`, each row's last token.
        finished: `bool [R]`, the rows that have their end token already.

    Returns:
        `float32 [R]`, the end token's log probability in nats, 0 for the finished rows.
    """

    def close() -> tf.Tensor:
        outputs, _ = model.decoder.cell(model.embed(last_ids), state)
        logits = tf.cast(model.projection(outputs), tf.float32)
        log_probs = tf.nn.log_softmax(logits)[:, EOS]
        return tf.where(finished, tf.zeros_like(log_probs), log_probs)

    return tf.cond(tf.reduce_all(finished), lambda: tf.zeros(tf.shape(finished), tf.float32), close)
