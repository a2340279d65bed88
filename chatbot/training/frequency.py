"""Frequency-aware cross entropy: common words count less, so that replies become less alike.

From Jiang et al. 2019, "Improving Neural Response Diversity with Frequency-Aware Cross-Entropy
Loss": its variant with the frequencies of the true replies and weights before the loss. There the
frequencies grow with the training; here they are counted once, over all replies that are learned.
With n_w the count of the word w,

    weight(w) = c (1 - strength * n_w / max n)

and c such that the mean weight of a word of the replies is 1, so that the learning rate means the
same. The paper's strength is 1, by which the commonest word is not learned at all. The end token is
no word: it is not counted and keeps the weight 1, for without it no reply would end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from chatbot.text import EOS


def weigh_words(counts: npt.NDArray[np.int64], strength: float) -> npt.NDArray[np.float32]:
    """Computes the weights of the loss.

    Args:
        counts: `int64 [V]`, how often each word is in the replies.
        strength: From 0, for the plain loss, to 1.

    Returns:
        `float32 [V]`; ones where they would all be 0.
    """
    words: npt.NDArray[Any] = counts.astype(np.float64)
    words[EOS] = 0.0
    weights = 1.0 - strength * words / max(words.max(), 1.0)
    total = (words * weights).sum()
    weights = weights * (words.sum() / total) if total > 0 else np.ones_like(words)
    weights[EOS] = 1.0
    return weights.astype(np.float32)
