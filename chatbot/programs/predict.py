"""Talks as a trained chatbot: chatbot predict --model_dir=DIRECTORY."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from absl import flags

from chatbot.errors import ChatbotError
from chatbot.programs.flags import (
    FLAGS,
    define_path,
    define_settings,
    given_settings,
    given_values,
    show,
)
from chatbot.settings.config import PLAIN, SearchConfig, TrainingConfig
from chatbot.system.command import command
from chatbot.system.paths import find_in_project
from chatbot.system.terminal import is_terminal

BUNDLED = "model/smalltalk"
SEARCH = "The search; by default the model's own"
PURPOSE = (
    "Replies to every line with the greedy reply and the best replies of the beam. log_prob is the "
    "model's log probability of a reply and its end token. The beam ranks its replies by score, "
    "log_prob / ((5 + tokens) / 6) ** length_penalty, where tokens includes the end token and "
    "log_prob is taken among what the rules below allow. Reads from the terminal or a pipe; with "
    "--input or --output it answers in JSON."
)


def define_flags() -> None:
    """Defines the program's flags."""
    define_path("model_dir", find_in_project(BUNDLED), "Model directory, made by train.")
    define_path(
        "input",
        "",
        "File with a query in each line, or - for standard input. For each query there is one "
        "line of JSON: query, greedy (reply, log_prob) and beam, or with --sample sample (reply, "
        "log_prob, score). Lines are independent; only the chat remembers the turns before.",
    )
    define_path(
        "output",
        "",
        "File for the answers in JSON, written whole or not at all; - means standard output.",
    )
    define_path(
        "attention_dir",
        "",
        "Directory for pictures of each answer's attention, greedy and best.",
    )
    define_path(
        "beam_tree_dir",
        "",
        "Directory for pictures of what the beam kept and dropped for each line.",
    )
    flags.DEFINE_boolean(
        "plain",
        False,
        "Use the tutorial's greedy search and beam, whatever the model's own search is; other "
        "flags of the search still count.",
    )
    who = "Who talks, and to whom"
    show(who, "model_dir", "input", "output", "attention_dir", "beam_tree_dir")
    define_settings(who, TrainingConfig, "engine", "reply_precision")
    show(SEARCH, "plain")
    define_settings(SEARCH, SearchConfig)
    flags.DEFINE_alias("seed", "sampling_seed")


def main(_: Sequence[str]) -> int:
    """Chats, or answers the lines of a file.

    Returns:
        The exit status.
    """
    if not FLAGS["model_dir"].present and not os.path.isdir(FLAGS.model_dir):
        raise ChatbotError(
            f"{FLAGS.model_dir} does not exist yet; train it in a minute or two with "
            f"{command('train')}, or name another with --model_dir"
        )
    given = {**(PLAIN if FLAGS.plain else {}), **given_settings(SearchConfig)}
    pictures = _make_pictures(FLAGS.attention_dir, FLAGS.beam_tree_dir)
    how = given_values("engine", "reply_precision")
    if FLAGS.input or FLAGS.output:
        from chatbot.chat.bulk import answer_lines

        source, target = FLAGS.input or "-", FLAGS.output or "-"
        return answer_lines(source, target, FLAGS.model_dir, given, pictures, **how)
    if is_terminal(0) and is_terminal(1):  # not for --help: these imports take a moment
        from chatbot.chat.prompt import chat_on_terminal as chat
    else:
        from chatbot.chat.pipe import chat_through_pipe as chat
    return chat(FLAGS.model_dir, given, pictures, **how)


def _make_pictures(attention_dir: str, beam_tree_dir: str) -> Any:
    if not (attention_dir or beam_tree_dir):
        return None
    from chatbot.chat.pictures import Pictures

    return Pictures(attention_dir, beam_tree_dir)
