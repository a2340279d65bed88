"""Given replies, step by step: how likely each token is, and what it attends to."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from chatbot.lite.forced import Forced
from chatbot.search.likeliest import score_tokens
from chatbot.text import EOS, GO


class ForcedPass:
    """Walks through given replies with the steps of an `InferenceNetwork`."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def __call__(
        self, query_ids: tf.Tensor, query_lengths: tf.Tensor, ids: tf.Tensor, lengths: tf.Tensor
    ) -> Forced:
        """Scores replies to a batch of queries; call it inside a traced function.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.
            ids: `int32 [B, W, ...]`, W replies a query, and anything behind them.
            lengths: `int32 [B, W]`, the replies' tokens, their end tokens not counted.
        """
        ids = ids[:, :, : tf.reduce_max(lengths)]
        queries, width, longest = tf.unstack(tf.shape(ids))
        rows = queries * width
        lengths = tf.reshape(lengths, [rows])
        real = tf.sequence_mask(lengths, longest)
        flat = tf.where(real, tf.reshape(ids, [rows, longest]), EOS)
        targets = tf.transpose(tf.pad(flat, [[0, 0], [0, 1]], constant_values=EOS))
        inputs = tf.concat([tf.fill([1, rows], GO), targets[:-1]], axis=0)
        attended, state = self._network.start(query_ids, query_lengths)
        log_probs, alignments = self._walk(
            inputs, targets, attended, tf.repeat(state, width, axis=0), tf.shape(query_ids)[1]
        )
        counted = tf.sequence_mask(lengths + 1, longest + 1)
        shape = [queries, width, longest + 1]
        sizes = tf.shape(alignments)[2:]  # tokens, after heads if there are any
        wide = tf.reshape(counted, [rows, -1, *[1] * sizes.shape[0]])
        alignments = tf.where(wide, alignments, 0.0)
        return Forced(
            tf.reshape(tf.where(counted, log_probs, 0.0), shape),
            tf.reshape(alignments, tf.concat([shape, sizes], axis=0)),
        )

    def _walk(
        self, inputs: tf.Tensor, targets: tf.Tensor, attended: Any, state: tf.Tensor, size: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes all steps `[T, R]`; returns log probs `[R, T]` and alignments `[R, T, (H), S]`."""
        steps, rows = tf.unstack(tf.shape(inputs))
        no_alignments = tf.zeros([rows, 0 if attended is None else size])
        rank = 2 if attended is None else attended.memory.shape.rank - 1
        arrays = [
            tf.TensorArray(tf.float32, steps, element_shape=tf.TensorShape([None] * dimensions))
            for dimensions in (1, rank)
        ]

        def body(time: tf.Tensor, state: tf.Tensor, arrays: Any) -> Any:
            outputs, state, alignments = self._network.advance(inputs[time], attended, state)
            logits = self._network.project(outputs)
            log_probs = score_tokens(self._network, outputs, logits, targets[time])
            results = (log_probs, no_alignments if alignments is None else alignments)
            return time + 1, state, [a.write(time, x) for a, x in zip(arrays, results)]

        loop = (tf.constant(0), state, arrays)
        _, _, arrays = tf.while_loop(lambda time, *_: time < steps, body, loop)
        log_probs, alignments = (array.stack() for array in arrays)
        return tf.transpose(log_probs), tf.transpose(alignments, [1, 0, *range(2, rank + 1)])
