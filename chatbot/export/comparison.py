"""How often an exported model does not do what the chatbot does."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import tensorflow as tf

from chatbot.export.reading import Tokenizer
from chatbot.text import tokenize

_AT_ONCE = 4096


class Comparison(NamedTuple):
    """How two ways to cut the same texts compare.

    Attributes:
        texts: How many were cut.
        differing: Those that give other tokens.
    """

    texts: int
    differing: list[str]

    def describe(self) -> str:
        """Writes a sentence."""
        count = len(self.differing)
        share = count / max(1, self.texts)
        return f"{count:,} of {self.texts:,} queries ({share:.2%}) are cut into other tokens"


def compare_tokens(texts: Iterable[str]) -> Comparison:
    """Cuts texts by TensorFlow and by `chatbot.text`, and compares the tokens."""
    cut = tf.function(Tokenizer(), [tf.TensorSpec([None], tf.string)], autograph=False)
    rest = iter(texts)
    count, differing = 0, []
    while window := list(itertools.islice(rest, _AT_ONCE)):
        encoded = [text.encode("utf-8", "surrogatepass") for text in window]
        found = cut(tf.constant(encoded)).to_list()
        for text, tokens in zip(window, found):
            if [token.decode() for token in tokens] != tokenize(text):
                differing.append(text)
        count += len(window)
    return Comparison(count, differing)
