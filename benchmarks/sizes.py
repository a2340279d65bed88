"""What all benchmarks of the network measure, as flags say it; this does without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from absl import flags

from chatbot.programs.flags import FLAGS, define_path, show
from chatbot.settings.choices import ATTENTIONS
from chatbot.settings.config import ModelConfig

REPLYING = ("own", "addons", "onnx", "all")


class Way(NamedTuple):
    """How to reply, as the flags of predict.py say it."""

    engine: str
    reply_precision: str


class Prepared(NamedTuple):
    """What a benchmark of replies measures.

    Attributes:
        ways: {what the names of its figures begin with: how to reply}.
        queries: What is asked.
        words: Words in the vocabulary.
        has_bfloat16: Whether TensorFlow has bfloat16 instructions to use.
    """

    ways: dict[str, Way]
    queries: Sequence[str]
    words: int
    has_bfloat16: bool


def define_sizes() -> None:
    """Defines the flags that all benchmarks of the network share."""
    flags.DEFINE_integer("rnn_size", 512, "Units of each LSTM layer.", 1)
    flags.DEFINE_integer("embedding_size", 512, "Width of the word vectors.", 1)
    flags.DEFINE_integer("num_layers", 2, "LSTM layers a side.", 1)
    flags.DEFINE_integer("vocab_size", 20_000, "Words.", 6)
    flags.DEFINE_integer("batch_size", 128, "Pairs in a batch.", 1)
    flags.DEFINE_integer("max_length", 20, "Tokens a side; longer sides are cut.", 2)
    flags.DEFINE_enum("attention", "luong", [*ATTENTIONS, "none"], "Attention.")
    define_path("corpus", "", "Dialogues to take the pairs from; empty makes random ones.")
    flags.DEFINE_boolean("json", False, "Print the figures as JSON, last.")
    show("What to measure", "attention", "corpus", "json")
    show("Sizes", "rnn_size", "embedding_size", "num_layers", "vocab_size", "batch_size")
    show("Sizes", "max_length")


def define_replies() -> None:
    """Defines the flags that the benchmarks of replies share, sizes included."""
    define_sizes()
    flags.DEFINE_enum(
        "engine",
        "all",
        REPLYING,
        "Who replies, as in predict.py, in each of its precisions; all measures those that are "
        "installed, in turns.",
    )
    flags.DEFINE_integer("beam_size", 5, "Hypotheses that the beam keeps.", 2)
    flags.DEFINE_integer("reply_length", 10, "Tokens of every reply.", 1)
    flags.DEFINE_integer("queries", 2_000, "Queries, at most as many as the corpus has.", 1)
    show("What to measure", "engine", "queries")
    show("Sizes", "beam_size", "reply_length")


def make_config(dropout: float = 0.0) -> ModelConfig:
    """Returns the network's settings that the flags ask for."""
    return ModelConfig(
        rnn_size=FLAGS.rnn_size,
        num_layers=FLAGS.num_layers,
        embedding_size=FLAGS.embedding_size,
        dropout=dropout,
        embedding_dropout=0.0,
        output_dropout=0.0,
        attention="luong" if FLAGS.attention == "none" else FLAGS.attention,
        use_attention=FLAGS.attention != "none",
    )
