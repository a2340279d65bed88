"""Untrained models to reply with, and who may reply by them."""

from __future__ import annotations

import importlib.util
from itertools import islice
from pathlib import Path

import tensorflow as tf

from benchmarks.sizes import Prepared, Way, make_config
from benchmarks.texts import draw_turns, make_words
from chatbot.corpus import read_pairs
from chatbot.dataset import EncodingConfig, encode_corpus
from chatbot.engines.onnx import is_installed
from chatbot.network.device import resolve_precision
from chatbot.network.seq2seq import Seq2Seq
from chatbot.programs.flags import FLAGS
from chatbot.settings.config import Config, CorpusConfig, ModelConfig, SearchConfig, TrainingConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import EOS, SPECIAL_TOKENS, Vocabulary


def prepare(model_dir: Path) -> Prepared:
    """Makes a model directory and the queries that the flags ask for."""
    queries, vocabulary = gather_queries(FLAGS.corpus, str(model_dir.parent))
    write_model(model_dir, vocabulary)
    has_bfloat16 = resolve_precision("auto") == "bfloat16"
    return Prepared(list_ways(FLAGS.engine, has_bfloat16), queries, len(vocabulary), has_bfloat16)


def list_ways(engine: str, has_bfloat16: bool) -> dict[str, Way]:
    """Lists how an engine replies, or all that are installed.

    Args:
        engine: "own", "addons", "onnx" or "all".
        has_bfloat16: Whether TensorFlow has bfloat16 instructions to use.

    Returns:
        {what the names of its figures begin with, engine and precision: the way}.
    """
    ways = {"own_float32_": Way("own", "float32")}
    if has_bfloat16:
        ways["own_bfloat16_"] = Way("own", "auto")
    if engine == "addons" or importlib.util.find_spec("tensorflow_addons") is not None:
        ways["addons_float32_"] = Way("addons", "float32")
    if engine == "onnx" or is_installed():
        ways["onnx_float32_"] = Way("onnx", "float32")
        ways["onnx_int8_"] = Way("onnx", "int8")
    return {prefix: way for prefix, way in ways.items() if engine in ("all", way.engine)}


def make_endless(config: ModelConfig, vocab_size: int) -> Seq2Seq:
    """Makes an untrained network whose replies never end by themselves.

    Args:
        config: The network's settings.
        vocab_size: Words in the vocabulary.

    Returns:
        The network, in float32.
    """
    model = Seq2Seq(config, vocab_size)
    bias = model.projection.bias
    bias.assign(tf.tensor_scatter_nd_update(bias, [[EOS]], [-1e9]))
    return model


def gather_queries(corpus: str, directory: str) -> tuple[list[str], Vocabulary]:
    """Reads the first queries of a corpus, or draws random ones.

    Args:
        corpus: The dialogues, or "".
        directory: Where the encoded form may lie.

    Returns:
        The queries, and the words of the corpus.
    """
    if not corpus:
        words = Vocabulary([*SPECIAL_TOKENS, *make_words(FLAGS.vocab_size)])
        return draw_turns(FLAGS.queries, FLAGS.vocab_size), words
    settings = EncodingConfig(max_length=FLAGS.max_length, vocab_size=FLAGS.vocab_size)
    _, _, words = encode_corpus(corpus, "auto", directory, settings)
    pairs = islice(read_pairs(corpus), FLAGS.queries)
    return [" ".join(pair.query.split()) for pair in pairs], words


def write_model(path: Path, vocabulary: Vocabulary) -> None:
    """Writes a model directory of the flags' sizes.

    Args:
        path: The directory.
        vocabulary: The words.
    """
    config = Config(
        corpus=CorpusConfig(max_length=FLAGS.max_length, vocab_size=max(6, len(vocabulary))),
        model=make_config(),
        training=TrainingConfig(average_decay=0.0),
        search=SearchConfig(beam_size=FLAGS.beam_size, max_reply_length=FLAGS.reply_length),
    )
    directory = ModelDirectory(path)
    directory.create(config, vocabulary)
    model = make_endless(config.model, len(vocabulary))
    directory.save(tf.train.Checkpoint(model=model), "ckpt", 1, {})
