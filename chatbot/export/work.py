"""The export of a model directory, from its checkpoint to a directory that needs none of it."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from chatbot.bot import Chatbot
from chatbot.engines.tensorflow import open_tensorflow
from chatbot.errors import ChatbotError
from chatbot.export.card import name_model, write_card
from chatbot.export.directory import check_output, write_directory
from chatbot.export.formats import FORMATS
from chatbot.network.seq2seq import Seq2Seq
from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.files import replace_text


def export_model(
    model_dir: str,
    output: str,
    name: str,
    quantize: str = "",
    given: Mapping[str, Any] | None = None,
    queries: Iterable[str] | None = None,
) -> str:
    """Writes a model into a new directory, which appears when it is complete.

    Args:
        model_dir: The directory that train has written.
        output: The new directory; there may be an empty one.
        name: One of `FORMATS`.
        quantize: One of the format's ways to make weights smaller, or "" for none.
        given: {setting: value} for what is to differ from the model's own search.
        queries: On which to compare the chatbot with what was written, or None.

    Returns:
        What the comparison has shown, or "".

    Raises:
        ChatbotError: The model cannot be loaded, or not be written like that or there.
    """
    _check_quantize(name, quantize)
    target = check_output(output)
    directory = ModelDirectory(model_dir)
    config, vocabulary = directory.load()
    if not directory.has_checkpoints():
        raise ChatbotError(
            f"{model_dir} is an export itself and has no checkpoint; name the directory that "
            "train has written with --model_dir"
        )
    if config.model.pointer_generator:
        raise ChatbotError(
            f"{model_dir} copies words of the query (--pointer_generator), and no format can; it "
            "replies by --engine=own alone"
        )
    module = importlib.import_module(f"chatbot.export.{FORMATS[name].module}")
    search = module.settle(config, given or {})
    # What is compared with a model in float32 replies in float32, whatever the processor has.
    searcher = open_tensorflow(directory, config, len(vocabulary), "own", "float32")
    _check_weights(model_dir, searcher.model)
    bot = Chatbot(dataclasses.replace(config, search=search), vocabulary, searcher)
    title = f"{FORMATS[name].title} with weights in {quantize or 'float32'}"
    with write_directory(output) as place:
        usage = module.write(bot, place, quantize)
        lines = [f"# {name_model(directory)}, a chatbot as {title}", "", *usage, ""]
        replace_text(place / "README.md", "\n".join(lines))
        replace_text(place / "MODEL_CARD.md", write_card(directory, bot, title, place))
    return "" if queries is None else str(module.compare(bot, target, queries))


def _check_quantize(name: str, quantize: str) -> None:
    if quantize and quantize not in FORMATS[name].quantize:
        others = [other for other, form in FORMATS.items() if quantize in form.quantize]
        raise ChatbotError(
            f"--format={name} has no --quantize={quantize}; leave it out, or choose "
            f"--format={' or '.join(others)}"
        )


def _check_weights(model_dir: str, model: Seq2Seq) -> None:
    variables = model.trainable_variables
    if not all(bool(tf.reduce_all(tf.math.is_finite(variable))) for variable in variables):
        raise ChatbotError(f"{model_dir}: some of the weights are not numbers; train it again")
