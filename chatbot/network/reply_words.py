"""Training that projects onto the words of the replies alone.

Where queries have many more words than replies, most of the projection is spent on words that are
never right. The softmax over the words of the replies is that over all words if the others have no
probability, so the others are silenced: their logit is -12 whatever the decoder says. No gradient
changes that, because the loss leaves them out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from chatbot.network.projection import Projection
from chatbot.text import SPECIAL_TOKENS

SILENT = -12.0
"""Logit of a word that is never said."""


class ReplyWords:
    """Which words of a vocabulary the replies have.

    Attributes:
        ids: `int32 [K]`, theirs and the special tokens', in order.
    """

    def __init__(self, counts: npt.NDArray[np.integer[Any]]) -> None:
        """Takes how often each word is in the replies, `int [V]`."""
        occurs: npt.NDArray[np.bool_] = counts > 0
        occurs[: len(SPECIAL_TOKENS)] = True
        self.ids = np.flatnonzero(occurs).astype(np.int32)
        self._occurs = occurs
        self._places = (np.cumsum(occurs) - 1).astype(np.int32)

    def silence_others(self, projection: Projection) -> None:
        """Takes their probability from all other words; of a projection with weights of its own."""
        projection.kernel.assign(projection.kernel * self._occurs.astype(np.float32))
        projection.bias.assign(tf.where(self._occurs, projection.bias, SILENT))

    def pick(
        self, kernel: tf.Tensor, bias: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Leaves the other words out of what a loss is computed from.

        Args:
            kernel: `[U, V]`.
            bias: `[V]`.
            targets: `int32 [N]`, each one of `ids`.

        Returns:
            `[U, K]`, `[K]`, and the places of the targets in `ids`.
        """
        columns = tf.gather(kernel, self.ids, axis=1)
        return columns, tf.gather(bias, self.ids), tf.gather(self._places, targets)
