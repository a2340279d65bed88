"""Diverse beam search: groups of hypotheses that avoid one another's words."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from chatbot.search.beam import BeamSearch, Continuations, keep_best
from chatbot.text import EOS


class DiverseSearch(BeamSearch):
    """The search of Vijayakumar et al. 2016, "Diverse Beam Search", with Hamming diversity.

    At each step the groups choose one after the other. A continuation loses `strength` for each
    hypothesis of an earlier group that takes the same token at this step, unless it is the end
    token. The loss affects this choice alone: log probabilities stay as they are. One group is
    plain beam search.
    """

    def __init__(self, network: Any, groups: Any, strength: Any) -> None:
        """Makes the search.

        Args:
            network: An `InferenceNetwork`.
            groups: `int32 []`, how many; they divide the width of the beam.
            strength: `float32 []`, in nats.
        """
        super().__init__(network)
        self._groups = groups
        self._strength = strength

    def _find_first(self, beam_size: Any) -> tf.Tensor:
        return tf.range(beam_size) % (beam_size // self._groups) == 0

    def _choose(self, found: Continuations) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        queries, beam_size, _ = tf.unstack(tf.shape(found.tokens))
        size = beam_size // self._groups

        def choose(group: tf.Tensor, chosen: list[tf.Tensor]) -> Any:
            own = slice(group * size, (group + 1) * size)
            mine = Continuations(*(x[:, own] for x in found))
            ids, parents, log_probs = self._choose_in_group(mine, chosen[0], size)
            parts = (ids, parents + group * size, log_probs)
            return group + 1, [tf.concat(pair, axis=1) for pair in zip(chosen, parts)]

        empty = [tf.zeros([queries, 0], dtype) for dtype in (tf.int32, tf.int32, tf.float32)]
        plane = tf.TensorShape([None, None])
        _, chosen = tf.while_loop(
            lambda group, _: group < self._groups,
            choose,
            (tf.constant(0), empty),
            (tf.TensorShape([]), [plane] * 3),
        )
        ids, parents, log_probs = chosen
        return ids, parents, log_probs

    def _choose_in_group(
        self, found: Continuations, taken: tf.Tensor, size: Any
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Chooses for one group; the earlier groups have taken tokens `int32 [B, N]`."""
        queries, count = tf.unstack(tf.shape(taken))
        rows = tf.repeat(tf.range(queries), count)
        places = tf.stack([rows, tf.reshape(taken, [-1])], axis=1)
        costs = tf.where(tf.reshape(taken, [-1]) == EOS, 0.0, 1.0)
        said = tf.scatter_nd(places, costs, [queries, self._network.vocab_size])
        loss = self._strength * tf.gather(said, found.tokens, batch_dims=1)
        return keep_best(found.log_probs - loss, found, size)
