"""Trains a chatbot: python train.py --corpus=FILE --model_dir=DIRECTORY."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from chatbot.config import CorpusConfig, ModelConfig, SearchConfig, TrainingConfig
from chatbot.flags import FLAGS, define_settings, given_settings, run, settings_from_flags, show
from chatbot.quiet import hush
from chatbot.stopping import StopRequest
from chatbot.terminal import run_politely

define_settings("What to learn from", CorpusConfig)
define_settings("The network", ModelConfig)
define_settings("The training", TrainingConfig)
define_settings("The search that predict.py uses if not told otherwise", SearchConfig)
flags.DEFINE_string("model_dir", "model/smalltalk", "Directory that the training is kept in.")
flags.DEFINE_string(
    "cache_dir",
    "",
    "Directory for encoded corpora, from which none is ever removed; empty means inside the model "
    "directory, where those stay that it needs.",
)
flags.DEFINE_alias("numEpochs", "num_epochs")
show("Where to keep it", "model_dir", "cache_dir")

PURPOSE = (
    "Trains a sequence-to-sequence chatbot on a corpus of dialogues. Run the same command again "
    "and it goes on where it stopped."
)


def main(_: Sequence[str]) -> int:
    """Trains, or goes on training, the model directory that the flags name.

    Returns:
        The exit status: 0 when the training is finished, 130 or 143 when it was stopped.
    """
    settings_from_flags()  # says what is out of range before TensorFlow takes its seconds
    given = given_settings()
    stop = StopRequest(given.get("max_minutes", 0.0))

    def train() -> int:
        hush()
        from chatbot.lifecycle import train_directory

        return train_directory(FLAGS.model_dir, given, FLAGS.cache_dir, stop)

    return stop.end_politely(train)


if __name__ == "__main__":
    run(lambda rest: run_politely(lambda: main(rest)), PURPOSE)
