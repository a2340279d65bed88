"""Greedy search with one query, every shape fixed, as TFLite wants it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.export.weights import keep_in_constants
from chatbot.network.inference import InferenceNetwork
from chatbot.network.inference_layer import EncoderLayer
from chatbot.network.seq2seq import Seq2Seq
from chatbot.search import Rules
from chatbot.search.rules import Masks, make_masks
from chatbot.text import EOS, GO


class StaticNetwork(InferenceNetwork):
    """An `InferenceNetwork` that encodes one query without arrays that grow."""

    def _encode(self, layer: EncoderLayer, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        longest, _, width = steps.shape
        gates = layer.inputs(tf.reshape(steps, [longest, width]))

        def step(time: tf.Tensor, state: Any, written: Any) -> Any:
            products = tf.gather(gates, [time]) + layer.hidden(state[0])
            state = layer.step.advance(products, state[1])
            here = (tf.range(longest) == time)[:, tf.newaxis]
            return time + 1, state, tuple(tf.where(here, x, y) for x, y in zip(state, written))

        units = layer.step.units
        state, written = (tuple([tf.zeros([n, units])] * 2) for n in (1, longest))
        loop = (tf.constant(0), state, written)
        _, _, (hiddens, carries) = tf.while_loop(lambda time, *_: time < longest, step, loop)
        return hiddens[:, tf.newaxis], carries[:, tf.newaxis]


class Said(NamedTuple):
    """A reply as it grows.

    Attributes:
        ids: `int32 [T]`, the tokens so far and then end tokens.
        latest: `int32 [1]`, the token before.
        log_prob: `float32 [1]`, the model's, in nats.
        state: `float32 [1, X]`, the decoder's.
    """

    ids: tf.Tensor
    latest: tf.Tensor
    log_prob: tf.Tensor
    state: tf.Tensor


class StaticGreedy(tf.Module):
    """Greedy search over one query at a time."""

    def __init__(self, model: Seq2Seq, longest: int, rules: Rules) -> None:
        """Takes the model's weights as they are now.

        Args:
            model: The network.
            longest: Most tokens of a reply, its end token not counted, T.
            rules: What replies have to follow.
        """
        super().__init__()
        self._network = StaticNetwork(model)
        keep_in_constants(self._network)
        self._longest = longest
        self._rules = rules

    def __call__(self, query_ids: tf.Tensor, query_length: tf.Tensor) -> dict[str, tf.Tensor]:
        """Replies to a query; call it inside a traced function.

        Args:
            query_ids: `int32 [1, S]`, padded on the right.
            query_length: `int32 [1]`, at least 1.

        Returns:
            `reply_ids` `int32 [1, T]`, filled up with the end token, `reply_length` `int32 [1]`
            without it, and `log_prob` `float32 [1]`, the model's, of both.
        """
        attended, state = self._network.start(query_ids, query_length)
        masks = make_masks(self._rules, self._network.vocab_size)
        said = Said(tf.fill([self._longest], EOS), tf.constant([GO]), tf.zeros([1]), state)

        def goes_on(time: tf.Tensor, said: Said) -> tf.Tensor:
            return tf.logical_and(time <= self._longest, said.latest[0] != EOS)

        def step(time: tf.Tensor, said: Said) -> tuple[tf.Tensor, Said]:
            return time + 1, self._advance(time, said, attended, masks)

        _, said = tf.while_loop(goes_on, step, (tf.constant(0), said))
        length = tf.reduce_sum(tf.cast(said.ids != EOS, tf.int32), keepdims=True)
        return {
            "reply_ids": said.ids[tf.newaxis],
            "reply_length": length,
            "log_prob": said.log_prob,
        }

    def _advance(self, time: tf.Tensor, said: Said, attended: Any, masks: Masks) -> Said:
        """Takes one step."""
        outputs, state, _ = self._network.advance(said.latest, attended, said.state)
        logits = self._network.project(outputs)[:, : self._network.vocab_size]
        mask = tf.where(time < self._rules.min_reply_length, masks.early, masks.late)
        allowed = logits + mask + self._find_repeats(time, said.ids)
        likeliest = tf.argmax(allowed, axis=1, output_type=tf.int32)
        token = tf.where(time < self._longest, likeliest, EOS)
        log_prob = tf.gather(tf.nn.log_softmax(logits)[0], token)
        ids = tf.where(tf.range(self._longest) == time, token, said.ids)
        return Said(ids, token, said.log_prob + log_prob, state)

    def _find_repeats(self, time: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """Returns what bans the tokens that would repeat a run, `float32 [1, V]`, or 0."""
        size = self._rules.no_repeat_ngram
        runs = self._longest - size + 1
        if size == 0 or runs < 1:
            return tf.zeros([1, 1])
        same = tf.range(runs) + size <= time  # the run has ended
        for place in range(size - 1):
            latest = tf.gather(ids, tf.maximum(time - size + 1 + place, 0))
            same = tf.logical_and(same, ids[place : place + runs] == latest)
        ends = tf.where(same, ids[size - 1 :], -1)
        is_banned = tf.reduce_any(
            ends[:, tf.newaxis] == tf.range(self._network.vocab_size), axis=0, keepdims=True
        )
        return tf.where(is_banned, -math.inf, 0.0)
