"""The decoder's cell as the library's searches need it to follow rules.

Those searches neither show a cell the tokens nor let anyone change its logits. So the inputs of
this cell are the tokens themselves; it keeps them in its state, and bans tokens in its logits.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.search.rules import Rules, find_banned, forbid, share_allowed
from chatbot.text import EOS

NONE = -1
"""Fills up a row's tokens so far."""


class RuledState(NamedTuple):
    """The cell's state.

    Attributes:
        inner: The decoder's state; first, because the library's beam takes the scores' type from
            the first tensor.
        ids: `int32 [R, 1 + T]`, the start token and the tokens so far, then `NONE`.
        shares: `float32 [R]`, the model's log probability minus the one that the search adds up,
            until the row's end token.
    """

    inner: Any
    ids: tf.Tensor
    shares: tf.Tensor


class RuledCell(tf.keras.layers.AbstractRNNCell):
    """Takes tokens `int32 [R]` and returns logits `float32 [R, V + 1]`, -inf where one is banned.

    The last logit belongs to no token and is -inf, except where all others are.
    """

    def __init__(self, model: Any, rules: Rules) -> None:
        super().__init__(dtype="float32")
        self._model = model
        self._rules = rules

    @property
    def state_size(self) -> RuledState:
        """Sizes of the state without the rows."""
        inner = self._model.decoder.cell.state_size
        return RuledState(inner, tf.TensorShape([None]), tf.TensorShape([]))

    @property
    def output_size(self) -> int:
        """Logits of a row, V + 1."""
        return int(self._model.vocab_size) + 1

    def begin(self, inner: Any, rows: Any, max_reply_length: Any) -> RuledState:
        """Returns the state from which a search of at most `max_reply_length` tokens, T, starts.

        Args:
            inner: The decoder's state, for R rows.
            rows: `int32 []`, R.
            max_reply_length: `int32 []`.
        """
        ids = tf.fill([rows, max_reply_length + 1], NONE)
        return RuledState(inner, ids, tf.zeros([rows]))

    def call(self, inputs: Any, states: RuledState) -> tuple[tf.Tensor, RuledState]:
        """Takes one step after each row's last token, `int32 [R]`, the start token at first."""
        inner, ids, shares = states
        time = tf.reduce_max(tf.reduce_sum(tf.cast(ids != NONE, tf.int32), axis=1))
        ids = tf.where(tf.range(tf.shape(ids)[1]) == time, inputs[:, tf.newaxis], ids)
        embedded = self._model.embed(tf.minimum(inputs, self.output_size - 2))
        outputs, inner = self._model.decoder.cell(embedded, inner)
        logits = tf.cast(self._model.projection(outputs), tf.float32)
        banned = find_banned(ids[:, 1 : time + 1], self._rules, self.output_size - 1)
        logits = tf.pad(logits, [[0, 0], [0, 1]], constant_values=-math.inf)
        allowed = forbid(logits, banned)
        share = share_allowed(
            tf.reduce_logsumexp(allowed, axis=1), tf.gather(logits, banned, batch_dims=1)
        )
        # Where nothing is allowed, the library takes the token that does not exist.
        is_stuck = tf.reduce_max(allowed, axis=1) == -math.inf
        only_last = tf.where(tf.range(self.output_size) == self.output_size - 1, 0.0, -math.inf)
        allowed = tf.where(is_stuck[:, tf.newaxis], only_last, allowed)
        share = tf.where(is_stuck, -math.inf, share)
        ended = tf.reduce_any(ids == EOS, axis=1)
        return allowed, RuledState(inner, ids, shares + tf.where(ended, 0.0, share))


def pass_tokens(ids: tf.Tensor) -> tf.Tensor:
    """Passes for the embedding that the library asks for: the cell itself looks up vectors."""
    return ids


def close(cell: RuledCell, state: RuledState, last_ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes one more step to close the replies that a search cut at their greatest length.

    Args:
        cell: The cell.
        state: Its state after the search, for R rows.
        last_ids: `int32 [R]`, each row's last token.

    Returns:
        `float32 [R]`, the end token's log probability (nats) among what is allowed, 0 for rows
        that have their end token already, and each row's shares.
    """
    ended = tf.logical_or(tf.reduce_any(state.ids == EOS, axis=1), last_ids == EOS)

    def step() -> tuple[tf.Tensor, tf.Tensor]:
        logits, after = cell(last_ids, state)
        log_probs = tf.nn.log_softmax(logits)[:, EOS]
        return tf.where(ended, 0.0, log_probs), after.shares

    return tf.cond(tf.reduce_all(ended), lambda: (tf.zeros_like(state.shares), state.shares), step)  # type: ignore[no-any-return]
