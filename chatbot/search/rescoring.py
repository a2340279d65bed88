"""The scores of `chatbot.lite.rescoring` as a graph."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.rescoring import LEAST
from chatbot.search.forced import ForcedPass
from chatbot.search.hypotheses import length_normalised, sort
from chatbot.text import UNK


class Weights(NamedTuple):
    """Weights of the parts of a score, all scalars.

    Attributes:
        length_penalty: `float32`, exponent of the length penalty.
        coverage_penalty: `float32`, weight of C; 0 leaves it out.
        mmi_weight: `float32`, weight of M; 0 leaves it out.
        mmi_tokens: `int32`, tokens that M counts.
    """

    length_penalty: Any
    coverage_penalty: Any
    mmi_weight: Any
    mmi_tokens: Any


WEIGHTS_SIGNATURE = Weights(
    tf.TensorSpec([], tf.float32, "length_penalty"),
    tf.TensorSpec([], tf.float32, "coverage_penalty"),
    tf.TensorSpec([], tf.float32, "mmi_weight"),
    tf.TensorSpec([], tf.int32, "mmi_tokens"),
)


class Rescoring:
    """Scores hypotheses by its formula over an `InferenceNetwork`, and sorts them."""

    def __init__(self, network: Any) -> None:
        self._forced = ForcedPass(network)
        self._known = network.vocab_size - network.slots

    def __call__(
        self,
        query_ids: tf.Tensor,
        query_lengths: tf.Tensor,
        found: Hypotheses,
        weights: Weights,
    ) -> Hypotheses:
        """Scores the hypotheses of a batch of queries; call it inside a traced function.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.
            found: What a search has found.
            weights: Of the parts of a score.

        Returns:
            The same hypotheses, the best score first; one that does not exist stays at -inf.
        """
        common = tf.cond(
            weights.mmi_weight != 0.0,
            lambda: self._measure_commonness(found, weights.mmi_tokens),
            lambda: tf.zeros_like(found.scores),
        )
        covered = tf.cond(
            weights.coverage_penalty != 0.0,
            lambda: self._measure_coverage(query_ids, query_lengths, found),
            lambda: tf.zeros_like(found.scores),
        )
        log_probs = found.ranked_log_probs - weights.mmi_weight * common
        scores = length_normalised(log_probs, found.lengths, weights.length_penalty)
        return sort(found._replace(scores=scores + weights.coverage_penalty * covered))

    def _measure_commonness(self, found: Hypotheses, count: tf.Tensor) -> tf.Tensor:
        """Computes M, `float32 [B, W]`."""
        shape = tf.shape(found.scores)
        rows = [1, shape[0] * shape[1]]
        # An empty query is the same for all, so all replies are replies to one.
        ids = tf.reshape(found.ids, [*rows, tf.shape(found.ids)[2]])
        ids = tf.where(ids < self._known, ids, UNK)  # nor has it words that could be copied
        lengths = tf.minimum(tf.reshape(found.lengths, rows), count)  # what follows does not count
        forced = self._forced(tf.constant([[UNK]]), tf.constant([1]), ids, lengths)
        return tf.reshape(tf.reduce_sum(forced.log_probs[:, :, :count], axis=2), shape)

    def _measure_coverage(
        self, query_ids: tf.Tensor, query_lengths: tf.Tensor, found: Hypotheses
    ) -> tf.Tensor:
        """Computes C, `float32 [B, W]`."""
        forced = self._forced(query_ids, query_lengths, found.ids, found.lengths)
        alignments = forced.alignments
        if alignments.shape.rank == 5:
            alignments = tf.reduce_mean(alignments, axis=3)  # the heads
        total = tf.reduce_sum(alignments, axis=2)  # [B, W, S]
        logs = tf.math.log(tf.clip_by_value(total, LEAST, 1.0))
        real = tf.sequence_mask(query_lengths, tf.shape(total)[2])[:, tf.newaxis]
        return tf.reduce_sum(tf.where(real, logs, 0.0), axis=2)
