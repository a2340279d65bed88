"""What anybody can do without a network: the figures to beat."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from chatbot.text import Vocabulary
from examples.data import Tagged, Text


def score_frequent_tags(learned: Sequence[Tagged], asked: Sequence[Tagged]) -> float:
    """Returns the accuracy of each word's most frequent tag; unknown words get that of all."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for word, tag in ((word.lower(), tag) for x in learned for word, tag in zip(*x)):
        counts[word][tag] += 1
        counts[""][tag] += 1
    pairs = [(counts.get(w.lower(), counts[""]), tag) for x in asked for w, tag in zip(*x)]
    return float(np.mean([found.most_common(1)[0][0] == tag for found, tag in pairs]))


def score_bag_of_words(learned: Sequence[Text], asked: Sequence[Text], known: Vocabulary) -> float:
    """Returns the accuracy of naive Bayes over the words, with one added to every count."""
    counts = np.ones([2, len(known)])
    for words, label in learned:
        np.add.at(counts[label], known.encode(words), 1)
    log_ratios = np.diff(np.log(counts / counts.sum(1, keepdims=True)), axis=0)[0]
    found = [log_ratios[known.encode(words)].sum() > 0 for words, _ in asked]
    return float(np.mean(np.equal(found, [x.label for x in asked])))
