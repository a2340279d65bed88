"""Greedy search: the likeliest token at every step."""

from __future__ import annotations

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


class AddonsGreedySearch:
    """`GreedyEmbeddingSampler` in a `BasicDecoder`."""

    def __init__(self, model: Seq2Seq, decoder: Any = None) -> None:
        self._model = model
        self._decoder = decoder  # an `AddonsDecoder`, if not that of the model

    def __call__(
        self,
        query_ids: tf.Tensor,
        query_lengths: tf.Tensor,
        max_reply_length: Any,
        penalty: Any,
        rules: Rules = FREE,
    ) -> Hypotheses:
        """Replies as `BeamSearch` of width 1 does; call it inside a traced function."""
        model = self._model
        queries = tf.shape(query_lengths)[0]
        encoded = model.encode(query_ids, query_lengths)
        decoder = self._decoder or AddonsDecoder(model.decoder, encoded.memory.dtype)
        cell = RuledCell(model, decoder, rules)
        start = decoder.start(encoded)
        sampler = tfa.seq2seq.GreedyEmbeddingSampler(pass_tokens)
        outputs, state, _ = tfa.seq2seq.dynamic_decode(
            _LogProbDecoder(cell, sampler),
            maximum_iterations=max_reply_length,
            decoder_init_kwargs={
                "initial_state": cell.begin(start, queries, max_reply_length),
                "start_tokens": tf.fill([queries], GO),
                "end_token": EOS,
            },
        )
        ids, log_probs = outputs.sample_id, outputs.rnn_output
        before_end = tf.math.cumprod(tf.cast(ids != EOS, tf.float32), axis=1, exclusive=True)
        closing, shares = close(cell, state, ids[:, -1])
        total = tf.reduce_sum(log_probs * before_end, axis=1) + closing
        ids, total, shares = (x[:, tf.newaxis] for x in (ids, total, shares))
        return rank(ids, total, penalty, shares)


class _LogProbDecoder(tfa.seq2seq.BasicDecoder):
    """A `BasicDecoder` that keeps each chosen token's log probability, not all V logits."""

    def _rnn_output_size(self) -> tf.TensorShape:
        return tf.TensorShape([])

    @property
    def output_dtype(self) -> Any:
        return tfa.seq2seq.BasicDecoderOutput(tf.float32, self.sampler.sample_ids_dtype)

    def step(self, time: Any, inputs: Any, state: Any, training: Any = None) -> Any:
        outputs, next_state, next_inputs, finished = super().step(time, inputs, state, training)
        log_probs = tf.nn.log_softmax(tf.cast(outputs.rnn_output, tf.float32))
        chosen = tf.gather(log_probs, outputs.sample_id, batch_dims=1)
        kept = tfa.seq2seq.BasicDecoderOutput(chosen, outputs.sample_id)
        return kept, next_state, next_inputs, finished
