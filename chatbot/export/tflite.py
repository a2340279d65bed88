"""A chatbot as a TFLite model: numbers of words in and out, greedy search, one query at a time."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from chatbot.bot import Chatbot
from chatbot.engines.tensorflow import find_model
from chatbot.errors import ChatbotError
from chatbot.export.static_greedy import StaticGreedy
from chatbot.search import Rules
from chatbot.settings.config import PLAIN, Config, CorpusConfig, SearchConfig
from chatbot.text import EOS, SEP, UNK

MODEL_FILE = "chatbot.tflite"
_USAGE = """\
Numbers of words in and out, one query at a time, by greedy search. In LiteRT, without TensorFlow,
`Interpreter` comes from `ai_edge_litert.interpreter`:

```python
import re
import numpy as np
import tensorflow as tf

words = open("vocab.txt", encoding="utf-8").read().split("\\n")
cut = re.findall(r"[\\u4e00-\\u9fff]|[^\\W\\u4e00-\\u9fff]+|[^\\w\\s]", "hello".lower())
{look_up}[:{max_length}] or [{unk}]
query = np.zeros([1, {longest}], np.int32)
query[0, : len(ids)] = ids
run = tf.lite.Interpreter("{model}").get_signature_runner()
said = run(query_ids=query, query_length=np.array([len(ids)], np.int32))
print({write})
```

- `query_ids`, `int32 [1, {longest}]`, are line numbers of `vocab.txt` from 0, {unk} an unknown
  word{separator}{pieces}; `query_length`, `int32 [1]`, is how many count, at least 1.
- `reply_ids`, `int32 [1, {reply}]`, has {eos} behind the reply; `reply_length`, `int32 [1]`, is its
  length, `log_prob`, `float32 [1]`, its log probability (nats) with that of its end.
- The code above cuts ordinary English and Chinese as the chatbot does; for all else that is
  `chatbot.text.tokenize`."""


_WORDS = {
    "look_up": "ids = [words.index(word) if word in words else {unk} for word in cut]",
    "write": '*(words[i] for i in said["reply_ids"][0, : said["reply_length"][0]])',
    "pieces": "",
}
_PIECES = {
    "look_up": """\
from sentencepiece import SentencePieceProcessor  # pip install sentencepiece
pieces = SentencePieceProcessor(model_file="subwords.model")
marked = [word if "一" <= word[0] <= "\u9fff" and word in words else "▁" + word for word in cut]
ids = sum(map(pieces.encode, marked), [])""",
    "write": 'pieces.decode(said["reply_ids"][0, : said["reply_length"][0]].tolist()).strip()',
    "pieces": ";\n  words are cut into pieces: `##` begins one within a word, `<0xE4>` is a byte",
}


def settle(config: Config, given: Mapping[str, Any]) -> SearchConfig:
    """Returns the greedy search with the limits and rules of a model and given changes.

    Raises:
        ChatbotError: The changes ask for another search.
    """
    greedy = {
        **{name: PLAIN[name] for name in ("coverage_penalty", "mmi_weight", "sample")},
        "replace_unk": False,
        "beam_search": False,
        "beam_size": 1,
        "diverse_groups": 1,
    }
    for name, value in greedy.items():
        if given.get(name, value) != value:
            raise ChatbotError(
                f"--format=tflite has greedy search alone, no --{name}; leave it out, or choose "
                "--format=saved_model"
            )
    return config.search.resolve({**given, **greedy})


def convert(bot: Chatbot, quantize: str = "") -> bytes:
    """Converts a chatbot with a greedy search.

    Args:
        bot: The chatbot.
        quantize: "float16" and "int8" (dynamic range) make the weights smaller, "" leaves them.

    Returns:
        The model's file.
    """
    search = bot.config.search
    rules = Rules(search.min_reply_length, search.no_repeat_ngram, search.bans_unk)
    greedy = StaticGreedy(find_model(bot.searcher), search.max_reply_length, rules)
    signature = [
        tf.TensorSpec([1, count_longest(bot.config.corpus)], tf.int32, "query_ids"),
        tf.TensorSpec([1], tf.int32, "query_length"),
    ]
    function = tf.function(greedy.__call__, input_signature=signature, autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], greedy
    )
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    with _without_notices():
        converted: bytes = converter.convert()
    return converted


def count_longest(config: CorpusConfig) -> int:
    """Returns the most tokens that a query can have, S."""
    return config.context_turns * (config.max_length + 1) - 1


@contextlib.contextmanager
def _without_notices() -> Iterator[None]:
    """Drops what converter and interpreter write to standard error, whatever the log level."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def write(bot: Chatbot, place: Path, quantize: str = "") -> list[str]:
    """Writes a chatbot with a greedy search into a directory; returns the lines of its README."""
    (place / MODEL_FILE).write_bytes(convert(bot, quantize))
    bot.vocabulary.save(place / "vocab.txt")
    cut = bot.config.corpus
    separator = f", {SEP} between two turns" if cut.context_turns > 1 else ""
    kind = _WORDS if cut.subwords == "none" else _PIECES
    parts = {name: text.replace("{unk}", str(UNK)) for name, text in kind.items()}
    return _USAGE.format(
        model=MODEL_FILE,
        longest=count_longest(cut),
        max_length=cut.max_length,
        reply=bot.config.search.max_reply_length,
        eos=EOS,
        unk=UNK,
        separator=separator,
        **parts,
    ).splitlines()


def compare(bot: Chatbot, place: Path, queries: Iterable[str]) -> str:
    """Compares the greedy replies to queries with the chatbot's."""
    texts = list(queries)
    with _without_notices():
        found = _answer((place / MODEL_FILE).read_bytes(), bot, texts)
    expected = [list(replies[0].tokens) for replies in bot.replies(texts)]
    differing = sum(tokens != others for tokens, others in zip(found, expected))
    share = differing / max(1, len(texts))
    return f"{differing:,} of {len(texts):,} queries ({share:.2%}) have another greedy reply"


def _answer(model: bytes, bot: Chatbot, queries: Sequence[str]) -> list[list[str]]:
    """Returns the tokens of the replies by a converted model."""
    run = tf.lite.Interpreter(model_content=model).get_signature_runner()
    query = np.zeros([1, count_longest(bot.config.corpus)], np.int32)
    found = []
    for text in queries:
        ids = bot.read(text).ids
        query[0, : len(ids)] = ids  # what is behind them does not count
        said = run(query_ids=query, query_length=np.array([len(ids)], np.int32))
        found.append(bot.vocabulary.decode(said["reply_ids"][0, : said["reply_length"][0]]))
    return found
