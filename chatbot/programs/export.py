"""Writes a trained model for other runtimes: chatbot export --model_dir=D --format=F --output=DIR."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from chatbot.corpus import read_pairs
from chatbot.errors import ChatbotError
from chatbot.export.formats import FORMATS, QUANTIZE
from chatbot.programs.flags import FLAGS, define_path, define_settings, given_settings, show
from chatbot.settings.config import CorpusConfig, SearchConfig
from chatbot.settings.read_options import ReadOptions
from chatbot.system.notices import hushed
from chatbot.system.paths import find_in_project
from chatbot.system.terminal import write_output

PURPOSE = (
    "Writes a trained model into a new directory that needs nothing of the model directory: "
    "saved_model takes text and gives the replies of the model's own search, in TensorFlow or "
    "TensorFlow Serving; tflite takes and gives numbers of words, with greedy search, on phones "
    "and small devices. The weights are in float32 unless --quantize makes them smaller."
)
WHAT = "What to write, and where"
SEARCH = "The search of saved_model, and the limits of tflite; by default the model's own"


def define_flags() -> None:
    """Defines the program's flags."""
    define_path(
        "model_dir", find_in_project("model/smalltalk"), "Model directory, made by train."
    )
    flags.DEFINE_enum("format", "saved_model", list(FORMATS), "What to write.")
    define_path("output", "", "Directory to write, whole or not at all; it must not exist yet.")
    flags.DEFINE_enum(
        "quantize",
        "",
        ["", *QUANTIZE],
        "Type of the weights in tflite: float16 halves its size, int8 quarters it (products of "
        "weights alone, with activations quantised as they come).",
    )
    show(WHAT, "model_dir", "format", "output", "quantize")
    define_path(
        "corpus",
        "",
        "Count of how many queries of this corpus saved_model cuts into other tokens than the "
        "chatbot does.",
    )
    show("What to compare", "corpus")
    define_settings("What to compare", CorpusConfig, "corpus_format", "encoding", "columns")
    define_settings(SEARCH, SearchConfig)


def main(_: Sequence[str]) -> int:
    """Writes the model, and compares if there is a corpus.

    Returns:
        The exit status.
    """
    if FLAGS.corpus and not FORMATS[FLAGS.format].reads_text:
        raise ChatbotError(
            f"--corpus compares how text is cut, which --format={FLAGS.format} leaves to its "
            "caller; leave it out"
        )
    pairs = iter(())
    if FLAGS.corpus:
        options = ReadOptions(FLAGS.encoding, FLAGS.columns)
        pairs = read_pairs(FLAGS.corpus, FLAGS.corpus_format, options=options)
    with hushed():
        from chatbot.export.comparison import compare_tokens
        from chatbot.export.work import export_model

    given = given_settings(SearchConfig)
    export_model(FLAGS.model_dir, FLAGS.output, FLAGS.format, FLAGS.quantize, given)
    write_output(f"wrote {FLAGS.output}\n")
    if FLAGS.corpus:
        write_output(f"{compare_tokens(pair.query for pair in pairs).describe()}\n")
    return 0
