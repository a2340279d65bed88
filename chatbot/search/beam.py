"""Greedy and beam search in one plain loop."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from chatbot.lite.hypotheses import Hypotheses
from chatbot.search.hypotheses import rank
from chatbot.search.likeliest import find_likeliest
from chatbot.search.rules import FREE, Rules, find_repeats, make_masks
from chatbot.text import EOS, GO


class Beam(NamedTuple):
    """The hypotheses of all queries after T steps.

    Attributes:
        ids: `int32 [B, W, 1 + T]`, the start token and the tokens so far.
        finished: `bool [B, W]`, whether they have their end tokens.
        log_probs: `float32 [B, W]`, in nats, among what the rules allow; -inf where there is no
            such hypothesis.
        shares: `float32 [B, W]`, the model's log probability minus that.
        state: `float32 [B * W, X]`, the decoder's.
    """

    ids: tf.Tensor
    finished: tf.Tensor
    log_probs: tf.Tensor
    shares: tf.Tensor
    state: tf.Tensor


class Continuations(NamedTuple):
    """The likeliest continuations of each hypothesis.

    Attributes:
        log_probs: `float32 [B, W, K]`, the whole hypotheses'.
        tokens: `int32 [B, W, K]`.
    """

    log_probs: tf.Tensor
    tokens: tf.Tensor


class BeamSearch:
    """Beam search over an `InferenceNetwork`; a width of 1 is greedy search.

    The beam keeps the hypotheses with the highest log probabilities among what the rules allow; the
    finished ones are then scored once, with their end tokens counted, and sorted.
    """

    def __init__(self, network: Any) -> None:
        self._network = network

    def __call__(
        self,
        query_ids: tf.Tensor,
        query_lengths: tf.Tensor,
        max_reply_length: Any,
        penalty: Any,
        beam_size: Any,
        rules: Rules = FREE,
    ) -> Hypotheses:
        """Replies to a batch of queries; call it inside a traced function.

        Args:
            query_ids: `int32 [B, S]`, padded on the right.
            query_lengths: `int32 [B]`, at least 1.
            max_reply_length: `int32 []`, most tokens in a reply, its end token not counted; a
                longer one is cut and closed with the end token.
            penalty: `float32 []`, exponent of the length penalty in the scores.
            beam_size: `int32 []`, hypotheses kept at each step, W.
            rules: What replies have to follow.

        Returns:
            W hypotheses a query.
        """
        attended, state = self._network.start(query_ids, query_lengths)
        masks = make_masks(rules, self._network.width)
        first = self._begin(state, [tf.size(query_lengths), beam_size])

        def goes_on(time: tf.Tensor, beam: Beam) -> tf.Tensor:
            ended = tf.logical_or(beam.finished, beam.log_probs == -math.inf)
            return tf.logical_and(time <= max_reply_length, tf.reduce_any(tf.logical_not(ended)))

        def body(time: tf.Tensor, beam: Beam) -> Any:
            mask = tf.where(time < rules.min_reply_length, masks.early, masks.late)
            last = time >= max_reply_length
            return time + 1, self._advance(beam, attended, last, mask, rules.no_repeat_ngram)

        plane = tf.TensorShape([None, None])
        space = plane.concatenate([None])
        shapes = Beam(space, plane, plane, plane, tf.TensorShape([None, state.shape[-1]]))
        loop = (tf.constant(0), first)
        _, beam = tf.while_loop(goes_on, body, loop, (tf.TensorShape([]), shapes))
        return rank(beam.ids[:, :, 1:], beam.log_probs, penalty, beam.shares)

    def _begin(self, state: tf.Tensor, shape: list[Any]) -> Beam:
        """Makes beams `[B, W]` whose first hypothesis is empty; the others do not exist."""
        exists = tf.where(self._find_first(shape[1]), 0.0, -math.inf)
        return Beam(
            tf.fill([*shape, 1], GO),
            tf.fill(shape, False),
            exists + tf.zeros(shape),
            tf.zeros(shape),
            tf.repeat(state, shape[1], axis=0),
        )

    def _find_first(self, beam_size: Any) -> tf.Tensor:
        """Returns which places of the beam start with an empty hypothesis, `bool [W]`."""
        return tf.range(beam_size) == 0

    def _advance(
        self, beam: Beam, attended: Any, is_last: tf.Tensor, mask: tf.Tensor, ngram: Any
    ) -> Beam:
        """Takes one step."""
        merged = tf.reshape(beam.ids, [-1, tf.shape(beam.ids)[2]])
        outputs, state = self._network.advance(merged[:, -1], attended, beam.state)[:2]
        repeats = find_repeats(merged[:, 1:], ngram, self._network.filler)
        found, shares = self._continue(outputs, (mask, repeats), beam, is_last)
        ids, parents, log_probs = self._choose(found)
        rows = tf.range(tf.size(ids), delta=tf.shape(ids)[1])[:, tf.newaxis] + parents
        state = tf.gather(state, tf.reshape(rows, [-1]))
        said, finished, shares = (
            tf.gather(x, parents, batch_dims=1) for x in (beam.ids, beam.finished, shares)
        )
        said = tf.concat([said, ids[:, :, tf.newaxis]], axis=2)
        return Beam(said, tf.logical_or(finished, ids == EOS), log_probs, shares, state)

    def _continue(
        self, outputs: tf.Tensor, banned: tuple[Any, Any], beam: Beam, is_last: tf.Tensor
    ) -> tuple[Continuations, tf.Tensor]:
        """Finds the likeliest continuations, and the beam's shares after this step."""
        queries, beam_size = tf.unstack(tf.shape(beam.finished))
        count = tf.minimum(self._count_continuations(beam_size), self._network.vocab_size)
        found = find_likeliest(self._network, outputs, *banned, count)
        shape = [queries, beam_size, count]
        end = tf.where(beam.finished, 0.0, tf.reshape(found.end, shape[:2]))[:, :, tf.newaxis]
        end = tf.pad(end, [[0, 0], [0, 0], [0, count - 1]], constant_values=-math.inf)
        only_end = tf.logical_or(beam.finished, is_last)[:, :, tf.newaxis]
        tokens = tf.where(only_end, EOS, tf.reshape(found.tokens, shape))
        log_probs = tf.where(only_end, end, tf.reshape(found.log_probs, shape))
        shares = tf.where(beam.finished, 0.0, tf.reshape(found.share, shape[:2]))
        total = beam.log_probs[:, :, tf.newaxis] + log_probs
        return Continuations(total, tokens), beam.shares + shares

    def _count_continuations(self, beam_size: tf.Tensor) -> tf.Tensor:
        """Returns how many continuations of one hypothesis may be among the chosen ones."""
        return beam_size

    def _choose(self, found: Continuations) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Chooses W: their tokens, parents and log probabilities `[B, W]`."""
        return keep_best(found.log_probs, found, tf.shape(found.tokens)[1])


def keep_best(
    scores: tf.Tensor, found: Continuations, count: Any
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Chooses among the continuations of all hypotheses of a query.

    Args:
        scores: `float32 [B, W, K]`, what to choose by.
        found: The continuations.
        count: `int32 []`, how many to choose, N, at most W * K.

    Returns:
        The chosen tokens `int32 [B, N]`, the places of the hypotheses they continue
        `int32 [B, N]`, and the log probabilities `float32 [B, N]`, the highest score first.
    """
    _, beam_size, continuations = tf.unstack(tf.shape(found.tokens))
    flat = [-1, beam_size * continuations]
    _, places = tf.math.top_k(tf.reshape(scores, flat), count)
    log_probs, ids = (tf.gather(tf.reshape(x, flat), places, batch_dims=1) for x in found)
    return ids, places // continuations, log_probs
