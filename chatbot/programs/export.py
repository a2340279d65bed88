"""Writes a trained model for other runtimes: chatbot export --model_dir=D --output=DIR."""

from __future__ import annotations

import itertools
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
    "Writes a trained model into a new directory, for use without the model directory. onnx is a "
    "model directory of its own, with a chat that needs numpy and onnxruntime alone. "
    "saved_model takes texts and gives the replies of the model's own search, in TensorFlow or "
    "TensorFlow Serving, without this program. tflite takes and gives words' numbers, by greedy "
    "search, in LiteRT (TFLite), for phones and small devices."
)
WHAT = "What to write, and where"
COMPARED = "On what to compare it with the chatbot"
SEARCH = "The search; by default the model's own"


def define_flags() -> None:
    """Defines the program's flags."""
    define_path("model_dir", find_in_project("model/smalltalk"), "Model directory, made by train.")
    flags.DEFINE_enum("format", None, list(FORMATS), "What to write.")
    define_path(
        "output", "", "Directory to write, whole or not at all; only an empty one may exist."
    )
    flags.DEFINE_enum(
        "quantize",
        None,
        QUANTIZE,
        "Type of the weights, else float32: in onnx and tflite int8 takes a quarter of the space "
        "(activations are quantised as they come), in tflite float16 half of it.",
    )
    show(WHAT, "model_dir", "format", "output", "quantize")
    define_path(
        "corpus",
        "",
        "Say for how many queries of this corpus saved_model cuts other tokens than the chatbot, "
        "and tflite or onnx give another best reply.",
    )
    flags.DEFINE_integer("limit", 0, "Compare only this many first queries; 0 means all.", 0)
    show(COMPARED, "corpus", "limit")
    define_settings(COMPARED, CorpusConfig, "corpus_format", "encoding", "columns")
    define_settings(SEARCH, SearchConfig)


def main(_: Sequence[str]) -> int:
    """Writes the model, and compares it with the chatbot if there is a corpus.

    Returns:
        The exit status.
    """
    if FLAGS.format is None:
        raise ChatbotError(f"no format is named; choose --format={' or '.join(FORMATS)}")
    if not FLAGS.output:
        raise ChatbotError("nothing says where to write; name a directory with --output=DIR")
    queries = _read_queries() if FLAGS.corpus else None
    with hushed():
        from chatbot.export.work import export_model

    settings = given_settings(SearchConfig)
    where = FLAGS.model_dir, FLAGS.output
    said = export_model(*where, FLAGS.format, FLAGS.quantize or "", settings, queries)
    write_output(f"wrote {FLAGS.output}\n")
    if said:
        write_output(f"{said}\n")
    return 0


def _read_queries() -> list[str]:
    options = ReadOptions(FLAGS.encoding, FLAGS.columns)
    pairs = read_pairs(FLAGS.corpus, FLAGS.corpus_format, options=options)
    return [pair.query for pair in itertools.islice(pairs, FLAGS.limit or None)]
