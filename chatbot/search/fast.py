"""Greedy and beam search in one plain loop."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_addons as tfa

from chatbot.inference import GROUP
from chatbot.search.hypotheses import Hypotheses, rank
from chatbot.text import EOS, GO

SPARE = 3
"""Tokens more than a search needs whose logits are computed again when the first were coarse."""


def find_best(logits: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the greatest logits of each row.

    The best `count` stand in the `count` groups with the greatest greatest: where these are few,
    only they are looked through, which is five times as fast as looking through them all.

    Args:
        logits: `float32 [R, V']`, V' a multiple of `GROUP`.
        count: `int32 []`, how many, at most V'.

    Returns:
        The logits `float32 [R, count]`, the greatest first, and their places `int32`.
    """
    groups = logits.shape[-1] // GROUP

    def look_through_groups() -> tuple[tf.Tensor, tf.Tensor]:
        grouped = tf.reshape(logits, [-1, groups, GROUP])
        _, chosen = tf.math.top_k(tf.reduce_max(grouped, axis=-1), count)
        inside = tf.reshape(tf.gather(grouped, chosen, batch_dims=1), [-1, count * GROUP])
        values, places = tf.math.top_k(inside, count)
        group = tf.gather(chosen, places // GROUP, batch_dims=1)
        return values, group * GROUP + places % GROUP

    few = 2 * count < groups
    return tf.cond(few, look_through_groups, lambda: tuple(tf.math.top_k(logits, count)))  # type: ignore[no-any-return]


class Beam(NamedTuple):
    """The hypotheses of all queries after a step.

    Attributes:
        ids: `int32 [B, W]`, their last tokens.
        finished: `bool [B, W]`, which have their end tokens.
        log_probs: `float32 [B, W]`, in nats; -inf where there is no such hypothesis.
        state: `float32 [B * W, X]`, the decoder's.
    """

    ids: tf.Tensor
    finished: tf.Tensor
    log_probs: tf.Tensor
    state: tf.Tensor


class FastSearch:
    """Beam search over an `InferenceNetwork`; a width of 1 is greedy search.

    The beam goes by log probability; the finished hypotheses are then scored once, with their end
    tokens counted, and sorted.
    """

    def __init__(self, network: Any) -> None:
        """Makes the search.

        Args:
            network: An `InferenceNetwork`, which takes the steps.
        """
        self._network = network

    def __call__(
        self,
        query_ids: tf.Tensor,
        query_lengths: tf.Tensor,
        max_reply_length: Any,
        penalty: Any,
        beam_size: Any,
    ) -> Hypotheses:
        """Replies to a batch of queries; call it inside a traced function.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.
            max_reply_length: `int32 []`, most tokens in a reply, its end token not counted; a
                longer one is cut and closed with the end token.
            penalty: `float32 []`, exponent of the length penalty in the scores.
            beam_size: `int32 []`, hypotheses kept at each step, W.

        Returns:
            W hypotheses a query.
        """
        attended, state = self._network.start(query_ids, query_lengths)
        first = _begin(state, [tf.size(query_lengths), beam_size])
        arrays = [
            tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[None, None])
            for _ in range(2)
        ]

        def goes_on(time: tf.Tensor, beam: Beam, _: Any) -> tf.Tensor:
            ended = tf.logical_or(beam.finished, beam.log_probs == -math.inf)
            return tf.logical_and(time <= max_reply_length, tf.reduce_any(tf.logical_not(ended)))

        def body(time: tf.Tensor, beam: Beam, arrays: Any) -> Any:
            beam, parents = self._advance(beam, attended, time >= max_reply_length)
            written = zip(arrays, (beam.ids, parents))
            return time + 1, beam, [array.write(time, x) for array, x in written]

        _, beam, (ids, parents) = tf.while_loop(goes_on, body, (tf.constant(0), first, arrays))
        return rank(_trace_back(ids.stack(), parents.stack()), beam.log_probs, penalty)

    def _advance(self, beam: Beam, attended: Any, is_last: tf.Tensor) -> tuple[Beam, tf.Tensor]:
        """Takes one step; returns the next beam and which hypotheses of this one it continues."""
        last_ids = tf.reshape(beam.ids, [-1])
        outputs, state = self._network.advance(last_ids, attended, beam.state)
        only_end = tf.logical_or(beam.finished, is_last)
        values, tokens = self._continue(outputs, beam.finished, only_end)
        values += beam.log_probs[:, :, tf.newaxis]
        ids, parents, log_probs = _choose(values, tokens)
        rows = tf.range(tf.size(ids), delta=tf.shape(ids)[1])[:, tf.newaxis] + parents
        state = tf.gather(state, tf.reshape(rows, [-1]))
        finished = tf.gather(beam.finished, parents, batch_dims=1)
        return Beam(ids, tf.logical_or(finished, ids == EOS), log_probs, state), parents

    def _continue(
        self, outputs: tf.Tensor, finished: tf.Tensor, only_end: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns each hypothesis' likeliest continuations, `[B, W, K]`: log probs and tokens."""
        queries, beam_size = tf.unstack(tf.shape(finished))
        count = tf.minimum(beam_size, self._network.vocab_size)
        values, tokens, end = self._find_likeliest(outputs, count)
        shape = [queries, beam_size, count]
        end = tf.where(finished, 0.0, tf.reshape(end, shape[:2]))[:, :, tf.newaxis]
        end = tf.pad(end, [[0, 0], [0, 0], [0, count - 1]], constant_values=-math.inf)
        only_end = only_end[:, :, tf.newaxis]
        tokens = tf.where(only_end, EOS, tf.reshape(tokens, shape))
        return tf.where(only_end, end, tf.reshape(values, shape)), tokens

    def _find_likeliest(
        self, outputs: tf.Tensor, count: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns K tokens' log probs and ids, `[R, K]`, and the end token's log prob, `[R]`."""
        network = self._network
        spare = 0 if network.is_exact else SPARE
        logits = network.project(outputs)
        values, tokens = find_best(logits, tf.minimum(count + spare, network.vocab_size))
        # Of logits that are not numbers the best may be one behind the vocabulary.
        tokens = tf.minimum(tokens, network.vocab_size - 1)
        greatest = tf.gather(tf.nn.softmax(logits), tokens[:, :1], batch_dims=1)
        # The greatest probability is exp(its logit) / denominator, and never too small for a log.
        normalizer = values[:, :1] - tf.math.log(greatest)
        if network.is_exact:
            return values - normalizer, tokens, logits[:, EOS] - normalizer[:, 0]
        ended = tf.pad(tokens, [[0, 0], [0, 1]], constant_values=EOS)
        log_probs = network.project_exactly(outputs, ended) - normalizer
        exact, end = log_probs[:, :-1], log_probs[:, -1]
        gained = tf.reduce_sum(tf.exp(exact) - tf.exp(values - normalizer), axis=1)
        change = tf.math.log1p(gained)
        exact, order = tf.math.top_k(exact - change[:, tf.newaxis], count)
        return exact, tf.gather(tokens, order, batch_dims=1), end - change


def _begin(state: tf.Tensor, shape: list[Any]) -> Beam:
    """Makes beams `[B, W]` whose first hypothesis has said nothing; the others do not exist."""
    return Beam(
        tf.fill(shape, GO),
        tf.fill(shape, False),
        tf.where(tf.range(shape[1]) == 0, 0.0, -math.inf) + tf.zeros(shape),
        tf.repeat(state, shape[1], axis=0),
    )


def _choose(log_probs: tf.Tensor, tokens: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Keeps the W likeliest of `[B, W, K]`: their tokens, parents and log probs `[B, W]`."""
    _, beam_size, count = tf.unstack(tf.shape(tokens))
    flat = [-1, beam_size * count]
    log_probs, places = tf.math.top_k(tf.reshape(log_probs, flat), beam_size)
    ids = tf.gather(tf.reshape(tokens, flat), places, batch_dims=1)
    return ids, places // count, log_probs


def _trace_back(ids: tf.Tensor, parents: tf.Tensor) -> tf.Tensor:
    """Follows the parents of `[T, B, W]` back from the last step; returns `int32 [B, W, T]`."""
    lengths = tf.fill(tf.shape(ids)[1:2], tf.shape(ids)[0])
    return tf.transpose(tfa.seq2seq.gather_tree(ids, parents, lengths, EOS), [1, 2, 0])
