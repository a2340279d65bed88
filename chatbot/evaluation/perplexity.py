"""The perplexity of a model on the replies of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chatbot.bot import Chatbot
from chatbot.corpus import Pair
from chatbot.evaluation.intervals import Chosen, Dialogues, Estimate, find_interval
from chatbot.evaluation.scoring import Scorer
from chatbot.evaluation.windows import iterate_windows
from chatbot.storage.reports import to_perplexity
from chatbot.text import UNK, tokenize

Counts = npt.NDArray[np.int64]


class PairLosses(NamedTuple):
    """A model's loss of each pair of a corpus.

    Attributes:
        losses: `float64 [N]`, the loss (nats) of the reply and its end token, if it is not cut.
        tokens: `int64 [N]`, the tokens of the reply, the end token counted.
        unknown: `int64 [N]`, those of them that the model cannot say: which the vocabulary does not
            have, nor the query of a pointer-generator.
        words: `int64 [N]`, the words of the reply, the end token counted.
        is_cut: `bool [N]`, whether the reply is longer than those the model was trained with.
        dialogues: `int64 [N]`, the number of the pair's dialogue.
        pairs: `int64 [N]`, 1, or how many replies of one query these are the sums of.
        unknown_words: The words of the replies that the vocabulary does not have.
    """

    losses: npt.NDArray[np.float64]
    tokens: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]
    is_cut: npt.NDArray[np.bool_]
    dialogues: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.int64]
    unknown_words: frozenset[str]

    def counts_as(self, other: PairLosses) -> bool:
        """Tells whether another model counts the same tokens of the same pairs.

        Only then can perplexities a token be compared: a smaller vocabulary or shorter replies
        alone lower a perplexity.
        """
        return self.unknown_words == other.unknown_words and all(
            np.array_equal(mine, others)
            for mine, others in ((self.tokens, other.tokens), (self.unknown, other.unknown))
        )

    @property
    def known(self) -> Chosen:
        """The pairs whose reply is whole and has no unknown word, `bool [N]`.

        Of these the model gives the probability of every letter, however it cuts words. So over
        pairs that are known to several models their perplexities a word can be compared; over
        others a model is rewarded for calling a rare word unknown.
        """
        known: Chosen = (self.unknown == 0) & ~self.is_cut
        return known


def score_pairs(bot: Chatbot, pairs: Sequence[Pair]) -> PairLosses:
    """Scores every pair, at least one, with all its replies, by teacher forcing."""
    scorer = Scorer(bot)
    every = [(pair.turns, reply) for pair in pairs for reply in pair.replies]
    found = [
        score for window in iterate_windows(every, "perplexity") for score in scorer.score(window)
    ]
    words = sorted({word for _, reply in every for word in tokenize(reply)})
    split, encode = bot.vocabulary.segmenter.split, bot.vocabulary.encode
    counts = np.array([len(pair.replies) for pair in pairs])
    add = partial(np.add.reduceat, indices=np.cumsum(counts) - counts)
    return PairLosses(
        add(np.array([-score.log_prob for score in found])),
        add(np.array([score.tokens for score in found])),
        add(np.array([score.unknown for score in found])),
        add(np.array([score.words for score in found])),
        add(np.array([score.is_cut for score in found], np.int64)) > 0,
        np.array([pair.dialogue for pair in pairs]),
        counts,
        frozenset(word for word in words if UNK in encode(split([word]))),
    )


def measure_perplexity(found: PairLosses, chosen: Chosen) -> dict[str, Any]:
    """Measures the perplexity over some of the pairs.

    Returns:
        `pairs`, `dialogues` (that they come from), `tokens` and `words` (end tokens counted),
        `unknown_share` (of the tokens), `perplexity` (e to the mean loss in nats of a token),
        `word_perplexity` (the same of a word: the loss of all pieces and end tokens over the number
        of words and end tokens; Mielke 2019), `known_share` (of the pairs, those of
        `PairLosses.known`) and `known_word_perplexity` (over those), each perplexity with its
        interval of 95 % (`perplexity_interval`); except for the counts None where no pair is left.
    """
    known = chosen & found.known
    counts = {
        "pairs": int(found.pairs[chosen].sum()),
        "dialogues": len(np.unique(found.dialogues[chosen])),
        "tokens": int(found.tokens[chosen].sum()),
        "words": int(found.words[chosen].sum()),
    }
    shares = {
        "unknown_share": found.unknown[chosen].sum() / counts["tokens"] if chosen.any() else None,
        "known_share": found.pairs[known].sum() / counts["pairs"] if chosen.any() else None,
    }
    return {
        **counts,
        **{name: None if share is None else float(share) for name, share in shares.items()},
        **_name("perplexity", found, found.tokens, chosen),
        **_name("word_perplexity", found, found.words, chosen),
        **_name("known_word_perplexity", found, found.words, known),
    }


def _name(name: str, found: PairLosses, units: Counts, chosen: Chosen) -> dict[str, Any]:
    """Estimates a perplexity over some pairs, perhaps none, and names it and its interval."""
    if not chosen.any():
        return {name: None, f"{name}_interval": None}
    estimate = estimate_perplexity(found, chosen, units)
    return {name: estimate.value, f"{name}_interval": find_interval(estimate)}


def estimate_perplexity(found: PairLosses, chosen: Chosen, units: Counts | None = None) -> Estimate:
    """Estimates the perplexity over at least one pair, per token or per other units `[N]`."""
    dialogues = Dialogues(found.dialogues[chosen])
    units = found.tokens if units is None else units
    loss = dialogues.estimate_mean(found.losses[chosen], units[chosen])
    return Estimate(
        to_perplexity(loss.value), np.array([to_perplexity(mean) for mean in loss.left_out])
    )
