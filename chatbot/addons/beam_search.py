"""Beam search: the W likeliest beginnings, step by step."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import tensorflow_addons as tfa

from chatbot.addons.ruled_cell import RuledCell, close, pass_tokens
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search.hypotheses import Hypotheses, rank
from chatbot.search.rules import FREE, Rules
from chatbot.text import EOS, GO


class AddonsBeamSearch:
    """`BeamSearchDecoder` over the decoder's tiled state.

    The beam itself goes by log probability among what the rules allow; the finished hypotheses are
    then scored once, with their end tokens counted, and sorted.
    """

    def __init__(self, model: Seq2Seq, beam_size: int) -> None:
        """Makes the search.

        Args:
            model: The network.
            beam_size: Hypotheses kept at each step, W.
        """
        self._model = model
        self._beam_size = beam_size

    def __call__(
        self,
        query_ids: tf.Tensor,
        query_lengths: tf.Tensor,
        max_reply_length: Any,
        penalty: Any,
        rules: Rules = FREE,
    ) -> Hypotheses:
        """Replies to a batch of queries; call it inside a traced function.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.
            max_reply_length: `int32 []`, most tokens in a reply, its end token not counted; a
                longer one is cut and closed with the end token.
            penalty: `float32 []`, exponent of the length penalty in the scores.
            rules: What replies have to keep to.

        Returns:
            `beam_size` hypotheses a query.
        """
        model, width = self._model, self._beam_size
        queries = tf.shape(query_lengths)[0]
        cell = RuledCell(model, rules)
        start = model.decoder.start(model.encode(query_ids, query_lengths), width)
        outputs, state, _ = tfa.seq2seq.dynamic_decode(
            StepwiseBeam(cell, width, embedding_fn=pass_tokens),
            maximum_iterations=max_reply_length,
            decoder_init_input=None,
            decoder_init_kwargs={
                "start_tokens": tf.fill([queries], GO),
                "end_token": EOS,
                "initial_state": cell.begin(start, queries * width, max_reply_length),
            },
        )
        ids = tf.transpose(outputs.predicted_ids, [0, 2, 1])
        closing, shares = close(cell, _merge(state.cell_state), tf.reshape(ids[:, :, -1], [-1]))
        log_probs = state.log_probs + tf.reshape(closing, [queries, width])
        # Where replies are fewer than places, the library continues ended ones at float32's least.
        log_probs = tf.where(log_probs > tf.float32.min / 2, log_probs, -math.inf)
        return rank(ids, log_probs, penalty, tf.reshape(shares, [queries, width]))


def _merge(state: Any) -> Any:
    """Makes rows `[B * W, ...]` of a state `[B, W, ...]`."""

    def merge(whole: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(whole, tf.concat([[-1], tf.shape(whole)[2:]], 0))
        flat.set_shape([None, *whole.shape[2:]])
        return flat

    return tf.nest.map_structure(merge, state)


class StepwiseBeam(tfa.seq2seq.BeamSearchDecoder):
    """tfa's beam search, able to start inside a graph.

    Keras' attribute tracking wraps what `initialize` stores and then fails on it with current
    typing_extensions; nothing stored there needs tracking.
    """

    @tf.__internal__.tracking.no_automatic_dependency_tracking
    def initialize(self, *args: Any, **kwargs: Any) -> Any:
        """Starts the search as the library does."""
        return super().initialize(*args, **kwargs)
