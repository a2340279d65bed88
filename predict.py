"""Talks as a trained chatbot: python predict.py --model_dir=DIRECTORY."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from chatbot.config import SearchConfig
from chatbot.flags import FLAGS, define_settings, given_settings, run, show
from chatbot.quiet import hush
from chatbot.terminal import is_terminal, run_politely

flags.DEFINE_string("model_dir", "model/smalltalk", "Directory that train.py has made.")
flags.DEFINE_string(
    "input",
    "",
    "File whose lines are the queries, or - for standard input. The answers are JSON, one object a "
    "line and a line for each: query, greedy (reply, log_prob), beam (reply, log_prob, score). "
    "Every line is a query of its own; only the chat remembers the turns before it.",
)
flags.DEFINE_string(
    "output", "", "File for the answers in JSON, written whole or not at all; - is standard output."
)
show("Who talks, and to whom", "model_dir", "input", "output")
define_settings("The search; what is not given here is the model directory's", SearchConfig)

PURPOSE = (
    "Shows the greedy reply and the beam's best replies to every line, each with its log_prob, the "
    "model's log probability of the reply and its end token, and the score that the beam's replies "
    "are sorted by: log_prob / ((5 + tokens) / 6) ** length_penalty, where tokens counts the end "
    "token. Reads from the terminal or a pipe; with --input or --output it answers in JSON."
)


def main(_: Sequence[str]) -> int:
    """Chats, or answers the lines of a file.

    Returns:
        The exit status.
    """
    hush()
    if FLAGS.input or FLAGS.output:
        from chatbot.lines import answer_lines

        source, target = FLAGS.input or "-", FLAGS.output or "-"
        return run_politely(lambda: answer_lines(source, target, FLAGS.model_dir, given_settings()))
    if is_terminal(0) and is_terminal(1):
        from chatbot.prompt import chat_on_terminal as chat  # not for --help: these take a moment
    else:
        from chatbot.repl import chat_through_pipe as chat
    return run_politely(lambda: chat(FLAGS.model_dir, given_settings()))


if __name__ == "__main__":
    run(main, PURPOSE)
