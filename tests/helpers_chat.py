"""What the tests of the talking side share: a tiny model on disk, hostile lines, a bot of paper."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from chatbot.bot import Chatbot, ReadQuery, Reply
from chatbot.engines.tensorflow import TensorFlowSearcher, choose_precision, find_model
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import Config, CorpusConfig, ModelConfig, SearchConfig, TrainingConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import SPECIAL_TOKENS, Vocabulary

ROOT = Path(__file__).parents[1]
WORDS = (*SPECIAL_TOKENS, *"hello hi you are . , ? 你 好 pip".split())
CONFIG = Config(
    corpus=CorpusConfig(max_length=8),
    model=ModelConfig(rnn_size=8, num_layers=2, embedding_size=6, attention="luong"),
    # Log probabilities are compared to 1e-4; the checkpoint has the weights alone.
    training=TrainingConfig(precision="float32", average_decay=0.0),
    search=SearchConfig(beam_size=3, max_reply_length=4),
)


def make_model(seed: int = 3) -> Seq2Seq:
    """A network with weights large enough that its replies differ."""
    model = Seq2Seq(CONFIG.model, len(WORDS))
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0.0, 0.7, variable.shape))
    return model


def make_directory(path: Path) -> ModelDirectory:
    """A model directory with one checkpoint."""
    directory = ModelDirectory(path)
    directory.create(CONFIG, Vocabulary(WORDS))
    directory.save(tf.train.Checkpoint(model=make_model()), "ckpt", 1, {})
    return directory


class PaperBot:
    """Repeats the query backwards; costs nothing."""

    def __init__(self, **search: Any) -> None:
        self.config = CONFIG.replace(search)
        self.device = "paper"
        self.engine = "hand"
        self.vocabulary = Vocabulary(WORDS)
        self.asked: list[int] = []  # queries in each call
        self.settings: list[dict[str, Any]] = []  # of each call

    def read(self, query: str) -> ReadQuery:
        words = query.split()
        return ReadQuery([5] * min(len(words), 8), len(words) > 8)

    def replies(
        self, queries: Sequence[str], beam_size: int | None = None, **settings: Any
    ) -> list[list[Reply]]:
        self.asked.append(len(queries))
        self.settings.append({"beam_size": beam_size, **settings})
        size = beam_size or self.config.search.beam_size
        return [
            [Reply(query[::-1], -0.125 - place, -0.1 - place) for place in range(size)]
            for query in queries
        ]


def read_line(line: bytes) -> str:
    """The text of a line without its LF."""
    return line.removesuffix(b"\r").decode("utf-8", "replace")


def make_hostile_lines(count: int = 1000) -> list[bytes]:
    """Lines that have broken programs, without their ends; the same ones at every call."""
    chosen = [
        b"",
        b" \t ",
        b"\r",
        b"hello\r",
        b"<eos>",
        b"<pad> <go> <unk> <sep>",
        b"\xff\xfe\xc0\x80",
        b"\xed\xa0\x80 lone surrogate in UTF-8",
        b"\xf0\x9f\x98",  # cut in the middle of a character
        b"a\x00b",
        b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J",
        "\u202eright to left\u202c \u200f\u200e".encode(),
        "zero\u200bwidth\u200d\ufeff".encode(),
        ("e" + "\u0301" * 3000).encode(),
        "👩\u200d👩\u200d👧\u200d👦 🇨🇳 👍🏽".encode(),
        "\u2028\u2029\u0085\x0b\x0c\x1c\x1d".encode(),
        b"x" * 100_000,
        b"hello " * 10_000,
        b'{"query": "\\"}',
        b"%s %n {0} ${HOME} `id` $(id)",
        "\ufdfa".encode() * 1000,
        "你好".encode() * 1000,
        b"zzz qqq",
    ]
    generator = random.Random(7)
    planes = [chr(plane * 0x10000 + low) for plane in range(17) for low in (0x41, 0xFFFD, 0xFFFF)]
    while len(chosen) < count:
        kind = generator.randrange(4)
        if kind == 0:
            line = bytes(generator.randrange(256) for _ in range(generator.randrange(40)))
        elif kind == 1:
            codes = (generator.randrange(0x110000) for _ in range(generator.randrange(20)))
            line = "".join(map(chr, codes)).encode("utf-8", "surrogatepass")
        elif kind == 2:
            line = "".join(generator.choices(planes, k=9)).encode()
        else:
            line = " ".join(generator.choices([*WORDS, "\x1b[2J", "\x00"], k=12)).encode()
        chosen.append(line.replace(b"\n", b""))
    return chosen


def run_predict(
    *arguments: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs predict.py to its end."""
    return subprocess.run(
        [sys.executable, "predict.py", *arguments],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        timeout=300,
        check=False,
        env={**os.environ, **(variables or {})},
    )


def load_bot(path: Path, engine: str = "auto") -> Chatbot:
    make_directory(path)
    return Chatbot.load(path, engine=engine)


def wrap_model(config: Config, vocabulary: Vocabulary, model: Seq2Seq) -> Chatbot:
    """A chatbot of a network in memory, by the network's own engine."""
    precision = choose_precision(config.training.precision)
    return Chatbot(config, vocabulary, TensorFlowSearcher(model, precision))


def take_model(bot: Chatbot) -> Seq2Seq:
    """The network of a chatbot that TensorFlow runs."""
    return find_model(bot.searcher)
