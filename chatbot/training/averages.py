"""Moving averages of the weights: validated and used for replies while the weights train on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from chatbot.network.seq2seq import Seq2Seq

EVERY = 4
"""Steps from one update of the averages to the next."""


class Averages:
    """A second network whose weights follow those of the first.

    Up to the fourth step they equal the weights, so that the first ones, which are random, leave no
    trace. Then they follow at every fourth step, which costs a quarter and makes no difference to
    averages over hundreds of steps: at step 4 t each average m becomes d m + (1 - d) w, d being the
    smaller of decay ** 4 and (1 + t) / (10 + t), the rule by which TensorFlow's
    `ExponentialMovingAverage` forgets sooner at the beginning (its `num_updates`). Averaging
    weights comes from Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by
    Averaging", who take the plain mean; this average is exponential.

    Attributes:
        model: The second network.
    """

    def __init__(self, model: Seq2Seq, decay: float) -> None:
        """Copies the first network, under the dtype policy and in the scope in which it was made.

        Args:
            model: The first network.
            decay: The most that an average keeps of itself in a step, in (0, 1).
        """
        self.model = Seq2Seq(model.config, model.vocab_size)
        self.model.compute_fast(model.decoder.fast)
        self._decay = decay**EVERY
        self._weights = model.trainable_variables
        for average, weight in zip(self.model.trainable_variables, self._weights):
            average.assign(weight)

    def update(self, strategy: Any, count: tf.Tensor) -> None:
        """Copies the weights up to the fourth step, and follows them at every fourth one later.

        Args:
            strategy: The `tf.distribute.Strategy` that holds the variables; call this outside its
                replicas.
            count: `int64 []`, updates of the weights so far, the last one counted.
        """
        time = tf.cast(count // EVERY, tf.float32)
        share = 1.0 - tf.minimum(self._decay, (1.0 + time) / (10.0 + time))

        def copy(average: Any, weight: Any) -> Any:
            return average.assign(weight, read_value=False)

        def approach(average: Any, weight: Any) -> Any:
            difference = tf.convert_to_tensor(average) - tf.convert_to_tensor(weight)
            # One pass fewer than an assignment of the difference times the share.
            return tf.raw_ops.ResourceApplyGradientDescent(
                var=average.handle, alpha=share, delta=difference
            )

        def change(how: Callable[[Any, Any], Any]) -> bool:
            for average, weight in zip(self.model.trainable_variables, self._weights):
                strategy.extended.update(average, how, args=(weight,), group=False)
            return True

        def follow() -> Any:
            return tf.cond(count % EVERY == 0, lambda: change(approach), lambda: False)

        tf.cond(count <= EVERY, lambda: change(copy), follow)


def make_averages(model: Seq2Seq, decay: float) -> Averages | None:
    """Makes averages, or None where the decay is 0."""
    return Averages(model, decay) if decay > 0 else None
