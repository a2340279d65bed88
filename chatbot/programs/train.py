"""Trains a chatbot: chatbot train --corpus=FILE."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from absl import flags

from chatbot.programs.flag_files import read_bundled
from chatbot.programs.flags import (
    FLAGS,
    define_path,
    define_settings,
    given_settings,
    parse,
    settings_from_flags,
    show,
)
from chatbot.settings.config import CorpusConfig, ModelConfig, SearchConfig, TrainingConfig
from chatbot.system.notices import hushed
from chatbot.system.paths import default_model_dir
from chatbot.system.stopping import StopRequest

PURPOSE = (
    "Trains a sequence-to-sequence chatbot on a corpus of dialogues. The same command, run again, "
    "goes on where training stopped. Without --corpus and --model_dir it trains the bundled small "
    "talk bot, with the settings of --flagfile=smalltalk."
)


def define_flags() -> None:
    """Defines the program's flags."""
    define_settings("What to learn from", CorpusConfig)
    define_settings("The network", ModelConfig)
    define_settings("The training", TrainingConfig)
    define_settings("The model's own search, for predict and evaluate", SearchConfig)
    define_path(
        "model_dir",
        "",
        "Directory of the model and its training. By default it is model/NAME, in a checkout "
        "beside train.py, else in the working directory, named after the corpus: model/mine for "
        "mine.tsv, model/dailydialog for dailydialog/train.zip.",
    )
    define_path(
        "cache_dir",
        "",
        "Directory for encoded corpora, where they stay. By default they are in the model "
        "directory, which removes those that it no longer needs.",
    )
    flags.DEFINE_alias("numEpochs", "num_epochs")
    show("Where to keep it", "model_dir", "cache_dir")


def main(arguments: Sequence[str]) -> int:
    """Trains the model directory that the flags name, or goes on with its training.

    Args:
        arguments: The program's name.

    Returns:
        The exit status: 0 when the training is finished, 130 or 143 when it was stopped.
    """
    if not (FLAGS["corpus"].present or FLAGS["model_dir"].present):
        parse([*arguments, *read_bundled("smalltalk"), *sys.argv[1:]])
    settings_from_flags()  # says what is out of range before TensorFlow is loaded
    given, model_dir = given_settings(), FLAGS.model_dir or default_model_dir(FLAGS.corpus)
    stop = StopRequest(given.get("max_minutes", 0.0))

    def train() -> int:
        with hushed():
            from chatbot.training.run import train_directory

        return train_directory(model_dir, given, FLAGS.cache_dir, stop, alone=True)

    return stop.end_politely(train)
