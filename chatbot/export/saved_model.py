"""A chatbot as a SavedModel of core TensorFlow operations: text in, replies and scores out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from chatbot.bot import Chatbot
from chatbot.engines.tensorflow import find_model
from chatbot.errors import ChatbotError
from chatbot.export.comparison import compare_tokens
from chatbot.export.reading import Reader
from chatbot.export.weights import keep_in_variables
from chatbot.export.writing import Writer
from chatbot.lite.replies import LIKELY
from chatbot.network.inference import InferenceNetwork
from chatbot.search import BeamSearch, DiverseSearch, Hypotheses, Rescoring, Rules, Weights
from chatbot.settings.config import Config, SearchConfig
from chatbot.system.files import plain_path
from chatbot.text import UNK

VERSION = "1"
"""The directory of the model itself, as TensorFlow Serving wants it."""
QUERIES = tf.TensorSpec([None], tf.string, "query")
_USAGE = """\
Texts in, replies out, the best first. TensorFlow 2.15 or later is enough:

```python
import tensorflow as tf

model = tf.saved_model.load("1")
answer = model.reply(tf.constant([{query}]))
for reply, score in zip(answer["replies"][0].numpy(), answer["scores"][0].numpy()):
    print(reply.decode(), score)
```

- For TensorFlow Serving this directory is the model's base path; the signature `serving_default`
  has the input `query`, `string [B]`, and the outputs `replies`, `string [B, {width}]`, `log_probs`
  (nats) and `scores`, `float32 [B, {width}]`.
- {turns}
- Places behind the last different reply have an empty text and -1e30 twice.
- Tokens differ from the chatbot's in rare texts: several accents on one letter, written apart,
  unless Unicode has that letter and they are in its order; Korean syllables written letter by
  letter; a capital sigma that ends a word; with TensorFlow 2.15 Unicode's noncharacters."""
_ONE_TURN = "A query is one turn; a line break in it is a blank."
_TURNS = (
    "A query is a turn, or several turns of a dialogue, oldest first, a line break between two: "
    "the model reads\n  the last {turns}."
)


class TextModel(tf.Module):
    """A chatbot whose input and output are texts, with its own search, in float32."""

    def __init__(self, bot: Chatbot, vocabulary_file: str) -> None:
        super().__init__()
        self._search = bot.config.search
        self._network = InferenceNetwork(find_model(bot.searcher))
        self.weights = keep_in_variables(self._network)
        self._vocabulary_file = tf.saved_model.Asset(vocabulary_file)
        ids, words = self._make_tables()
        self._read = Reader(bot.config.corpus, ids)
        self._write = Writer(bot.vocabulary, words)

    @tf.function(input_signature=[QUERIES], autograph=False)
    def reply(self, query: tf.Tensor) -> dict[str, tf.Tensor]:
        """Replies to queries, `string [B]`, at least one.

        Returns:
            The best first, W replies each: `replies` `string [B, W]`, `log_probs` and `scores`
            `float32 [B, W]`. A place that is left empty, because there are fewer different
            replies, has the text "" and -1e30 as both numbers.
        """
        ids, lengths = self._read(query)
        found = self._find(ids, lengths)
        batch, width, longest = tf.unstack(tf.shape(found.ids))
        rows = tf.reshape(found.ids, [batch * width, longest])
        texts = self._write(rows, tf.reshape(found.lengths, [batch * width]))
        return drop_repeated(tf.reshape(texts, [batch, width]), found)

    def _make_tables(self) -> tuple[tf.lookup.StaticHashTable, tf.lookup.StaticHashTable]:
        """Makes tables of the vocabulary, from words to ids and back."""
        parts = (tf.string, tf.lookup.TextFileIndex.WHOLE_LINE)
        numbers = (tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)
        file = self._vocabulary_file
        there = tf.lookup.TextFileInitializer(file, *parts, *numbers)
        back = tf.lookup.TextFileInitializer(file, *numbers, *parts)
        return tf.lookup.StaticHashTable(there, UNK), tf.lookup.StaticHashTable(back, "")

    def _find(self, ids: tf.Tensor, lengths: tf.Tensor) -> Hypotheses:
        """Searches as `SearchGraphs.search` does."""
        asked = self._search
        rules = Rules(asked.min_reply_length, asked.no_repeat_ngram, asked.bans_unk)
        search = BeamSearch(self._network)
        if asked.diverse_groups > 1 and asked.beam_size > 1:
            search = DiverseSearch(self._network, asked.diverse_groups, asked.diversity_strength)
        limits = (asked.max_reply_length, asked.length_penalty, asked.beam_size)
        found = search(ids, lengths, *limits, rules)
        if asked.coverage_penalty == 0.0 and asked.mmi_weight == 0.0:
            return found
        weights = Weights(*(tf.constant(getattr(asked, name)) for name in Weights._fields))
        return Rescoring(self._network)(ids, lengths, found, weights)


def drop_repeated(texts: tf.Tensor, found: Hypotheses) -> dict[str, tf.Tensor]:
    """Empties the places of texts `string [B, W]` that came before, and puts empty ones last."""
    exists = found.log_probs > LIKELY
    same = tf.linalg.band_part(
        tf.cast(texts[:, :, tf.newaxis] == texts[:, tf.newaxis], tf.int32), -1, 0
    )
    earlier = tf.reduce_sum(same * tf.cast(exists, tf.int32)[:, tf.newaxis], axis=2)
    kept = tf.logical_and(exists, earlier == 1)
    order = tf.argsort(tf.cast(kept, tf.int32), axis=1, direction="DESCENDING", stable=True)
    columns = {
        "replies": tf.where(kept, texts, ""),
        "log_probs": tf.where(kept, found.log_probs, LIKELY),
        "scores": tf.where(kept, found.scores, LIKELY),
    }
    return {name: tf.gather(x, order, batch_dims=1) for name, x in columns.items()}


def settle(config: Config, given: Mapping[str, Any]) -> SearchConfig:
    """Returns the search of a model with given changes.

    Raises:
        ChatbotError: A SavedModel cannot search like that, or not cut words like that.
    """
    if config.corpus.subwords != "none":
        raise ChatbotError(
            "--format=saved_model cannot cut words into pieces, as this model does "
            f"(--subwords={config.corpus.subwords}); choose --format=onnx or tflite"
        )
    search = config.fit_search(config.search.resolve(given))
    if search.sample:
        raise ChatbotError("--format=saved_model cannot sample; write the beam with --nosample")
    if search.replace_unk:
        raise ChatbotError(
            "--format=saved_model cannot copy words of the query; write it with --noreplace_unk"
        )
    return search


def write(bot: Chatbot, place: Path, quantize: str = "") -> list[str]:
    """Writes a chatbot into a directory; returns the lines of its README."""
    del quantize  # there is none
    (place / VERSION).mkdir()
    with tempfile.TemporaryDirectory() as aside, plain_path(place / VERSION) as target:
        words = Path(aside) / "vocab.txt"
        bot.vocabulary.save(words)
        model = TextModel(bot, str(words))
        tf.saved_model.save(model, target, {"serving_default": model.reply})
    turns = bot.config.corpus.context_turns
    said = _TURNS.format(turns=turns) if turns > 1 else _ONE_TURN
    query = '"hello"' if turns == 1 else r'"hello\nhi"'
    width = bot.config.search.beam_size
    return _USAGE.format(query=query, width=width, turns=said).splitlines()


def compare(bot: Chatbot, place: Path, queries: Iterable[str]) -> str:
    """Compares how queries are cut into tokens."""
    del bot, place  # all models cut alike
    return compare_tokens(queries).describe()
