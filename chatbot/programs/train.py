"""Trains a chatbot: python train.py --corpus=FILE."""

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
from chatbot.system.notices import hush
from chatbot.system.paths import default_model_dir
from chatbot.system.stopping import StopRequest

PURPOSE = (
    "Trains a sequence-to-sequence chatbot on a corpus of dialogues. Run the same command again "
    "and it goes on where it stopped. Without --corpus and --model_dir it trains the bundled small "
    "talk with the settings that suit it, data/smalltalk.flags."
)


def define_flags() -> None:
    """Defines the flags of train.py."""
    define_settings("What to learn from", CorpusConfig)
    define_settings("The network", ModelConfig)
    define_settings("The training", TrainingConfig)
    define_settings("The search that predict.py uses if not told otherwise", SearchConfig)
    define_path(
        "model_dir",
        "",
        "Directory that the training is kept in. If not given, it is model/NAME beside train.py, "
        "named after the corpus: model/mine for mine.tsv, and model/dailydialog for "
        "dailydialog/train.zip.",
    )
    define_path(
        "cache_dir",
        "",
        "Directory for encoded corpora, which are never removed from it. If not given, they are "
        "kept in the model directory, and removed from there once it no longer needs them.",
    )
    flags.DEFINE_alias("numEpochs", "num_epochs")
    show("Where to keep it", "model_dir", "cache_dir")


def main(arguments: Sequence[str]) -> int:
    """Trains, or goes on training, the model directory that the flags name.

    Args:
        arguments: The program's name.

    Returns:
        The exit status: 0 when the training is finished, 130 or 143 when it was stopped.
    """
    if not (FLAGS["corpus"].present or FLAGS["model_dir"].present):
        parse([*arguments, *read_bundled("smalltalk"), *sys.argv[1:]])
    settings_from_flags()  # says what is out of range before TensorFlow takes its seconds
    given, model_dir = given_settings(), FLAGS.model_dir or default_model_dir(FLAGS.corpus)
    stop = StopRequest(given.get("max_minutes", 0.0))

    def train() -> int:
        hush()
        from chatbot.training.run import train_directory

        return train_directory(model_dir, given, FLAGS.cache_dir, stop)

    return stop.end_politely(train)
