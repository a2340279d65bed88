"""Text to token ids by core TensorFlow operations alone, as `Chatbot.read` does it."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from chatbot.bot import MAX_CHARACTERS
from chatbot.export.characters import list_characters
from chatbot.settings.config import CorpusConfig
from chatbot.text import PAD, SEP, UNK

BETWEEN_TURNS = "\n"
"""Stands between the turns of a query for a model that reads several."""


def make_table(values: Mapping[str, str]) -> tf.lookup.StaticHashTable:
    """Makes a table of texts, for `replace_known`."""
    pairs = (tf.constant(list(texts)) for texts in (values, values.values()))
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(*pairs), "")


def replace_known(table: tf.lookup.StaticHashTable, texts: tf.Tensor) -> tf.Tensor:
    """Replaces the texts that a table of `make_table` holds."""
    found = table.lookup(texts)
    return tf.where(found == "", texts, found)


class Tokenizer(tf.Module):
    """Cuts texts into tokens as `chatbot.text.tokenize` does.

    Normal forms are looked up character by character, so that tokens differ where a form depends
    on several: several marks on one letter, unless Unicode has that letter and they are in its
    order; Korean syllables written letter by letter; a capital sigma that ends a word. TensorFlow
    2.15 also takes Unicode's noncharacters for U+FFFD.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known = list_characters()
        self._normal_forms = make_table(self._known.normal_forms)
        self._compositions = make_table(self._known.compositions)

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Cuts texts, `string [N]` in UTF-8, into tokens, `string [N, (tokens)]`."""
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
        texts = tf.strings.substr(texts, 0, MAX_CHARACTERS, unit="UTF8_CHAR")
        texts = tf.strings.regex_replace(texts, self._known.invisible, "")
        characters = tf.strings.unicode_split(texts, "UTF-8")
        texts = _replace_and_join(self._normal_forms, characters)
        texts = tf.strings.regex_replace(texts, self._known.marked, "\\0\n")
        texts = _replace_and_join(self._compositions, tf.strings.split(texts, "\n"))
        return tf.strings.split(tf.strings.regex_replace(texts, self._known.token, "\\0 "))


def _replace_and_join(table: tf.lookup.StaticHashTable, parts: tf.RaggedTensor) -> tf.Tensor:
    """Replaces parts of texts, `string [N, (parts)]`, and joins them, `string [N]`."""
    replaced = parts.with_flat_values(replace_known(table, parts.flat_values))
    return tf.strings.reduce_join(replaced, axis=-1)


class Reader(tf.Module):
    """Reads queries as `Chatbot.read` does, their turns with `BETWEEN_TURNS` between them."""

    def __init__(self, config: CorpusConfig, ids: tf.lookup.StaticHashTable) -> None:
        """Makes the tables.

        Args:
            config: How many turns and tokens the model reads.
            ids: A table of the vocabulary, `string` to `int64`.
        """
        super().__init__()
        self._turns = config.context_turns
        self._max_length = config.max_length
        self._ids = ids
        self._tokenize = Tokenizer()

    def __call__(self, queries: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads queries, `string [B]`.

        Returns:
            Ids `int32 [B, S]`, padded on the right, and lengths `int32 [B]`.
        """
        turns = tf.RaggedTensor.from_tensor(queries[:, tf.newaxis])
        if self._turns > 1:
            turns = tf.strings.split(queries, BETWEEN_TURNS)
        tokens = self._tokenize(turns.flat_values)
        ids = tf.cast(self._ids.lookup(tokens)[:, : self._max_length], tf.int32)
        return self._join_turns(ids, turns)

    def _join_turns(self, ids: tf.RaggedTensor, turns: tf.RaggedTensor) -> tuple[tf.Tensor, ...]:
        """Joins turns' ids `int32 [turns, (tokens)]` as `chatbot.text.join_turns` does."""
        queries, ends = turns.value_rowids(), turns.row_splits[1:] - 1
        is_last = tf.range(tf.size(queries, tf.int64)) == tf.gather(ends, queries)
        has_tokens = ids.row_lengths() > 0
        counts = tf.logical_or(has_tokens, is_last)
        numbers = tf.cumsum(tf.cast(counts, tf.int64))
        later = tf.gather(tf.gather(numbers, ends), queries) - numbers  # that count, of a query
        read = tf.logical_and(counts, later < self._turns)
        is_added = tf.logical_not(tf.logical_and(is_last, has_tokens))
        added = tf.RaggedTensor.from_row_lengths(
            tf.boolean_mask(tf.where(is_last, UNK, SEP), is_added), tf.cast(is_added, tf.int64)
        )
        joined = tf.ragged.boolean_mask(tf.concat([ids, added], axis=1), read)
        lengths = tf.math.segment_sum(joined.row_lengths(), tf.boolean_mask(queries, read))
        found = tf.RaggedTensor.from_row_lengths(joined.flat_values, lengths)
        return found.to_tensor(PAD), tf.cast(lengths, tf.int32)
