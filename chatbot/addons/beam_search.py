"""Beam search: the W likeliest beginnings, step by step."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import tensorflow_addons as tfa

from chatbot.addons.decoder import AddonsDecoder
from chatbot.addons.ruled_cell import RuledCell, close, pass_tokens
from chatbot.lite.hypotheses import Hypotheses
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search.hypotheses import rank
from chatbot.search.rules import FREE, Rules
from chatbot.text import EOS, GO


class AddonsBeamSearch:
    """`BeamSearchDecoder` over the decoder's tiled state.

    It finds what `chatbot.search.BeamSearch` finds, with a width W that is given once.
    """

    def __init__(self, model: Seq2Seq, beam_size: int, decoder: Any = None) -> None:
        self._model = model
        self._decoder = decoder  # an `AddonsDecoder`, if not that of the model
        self._beam_size = beam_size

    def __call__(
        self,
        query_ids: tf.Tensor,
        query_lengths: tf.Tensor,
        max_reply_length: Any,
        penalty: Any,
        rules: Rules = FREE,
    ) -> Hypotheses:
        """Replies as `BeamSearch` does; call it inside a traced function."""
        model, width = self._model, self._beam_size
        queries = tf.shape(query_lengths)[0]
        encoded = model.encode(query_ids, query_lengths)
        decoder = self._decoder or AddonsDecoder(model.decoder, encoded.memory.dtype)
        cell = RuledCell(model, decoder, rules)
        start = decoder.start(encoded, width)
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
        # Where there are fewer replies than places, the library goes on with ended ones at
        # float32's least.
        log_probs = tf.where(log_probs > tf.float32.min / 2, log_probs, -math.inf)
        return rank(ids, log_probs, penalty, tf.reshape(shares, [queries, width]))


def _merge(state: Any) -> Any:
    """Turns a state `[B, W, ...]` into rows `[B * W, ...]`."""

    def merge(whole: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(whole, tf.concat([[-1], tf.shape(whole)[2:]], 0))
        flat.set_shape([None, *whole.shape[2:]])
        return flat

    return tf.nest.map_structure(merge, state)


class StepwiseBeam(tfa.seq2seq.BeamSearchDecoder):
    """tfa's beam search, able to start inside a graph.

    Keras' attribute tracking wraps what `initialize` stores, and then fails on it with current
    typing_extensions. Nothing stored there needs tracking.
    """

    @tf.__internal__.tracking.no_automatic_dependency_tracking
    def initialize(self, *args: Any, **kwargs: Any) -> Any:
        """Starts the search as the library does."""
        return super().initialize(*args, **kwargs)
