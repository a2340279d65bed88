"""Measures a model on a corpus: python -m chatbot.evaluate --model_dir=DIRECTORY --corpus=FILE."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from tqdm import tqdm

from chatbot.chatbot import Chatbot
from chatbot.config import SearchConfig
from chatbot.corpus import FORMATS, Pair, read_pairs
from chatbot.errors import ChatbotError
from chatbot.files import write_json
from chatbot.flags import FLAGS, define_settings, given_settings, run, show
from chatbot.quiet import hush
from chatbot.scoring import Scorer
from chatbot.terminal import make_visible, run_politely
from chatbot.text import tokenize

WINDOW = 512
"""Pairs that are measured together, sorted by length among themselves."""

PURPOSE = (
    "Measures a model on a corpus: perplexity, end and unknown tokens counted, and the share of "
    "queries whose greedy reply and whose best beam reply is one that the corpus has for them."
)


def measure_perplexity(bot: Chatbot, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Measures how surprised the model is by the corpus' replies.

    Args:
        bot: The model.
        pairs: At least one pair.

    Returns:
        `perplexity` (e to the mean loss in nats), `tokens` (end tokens counted) and
        `unknown_share` (of them).
    """
    cut = bot.config.corpus
    scorer = Scorer(bot.model, bot.vocabulary, cut.max_length, cut.context_turns)
    loss, tokens, unknown = 0.0, 0, 0
    for window in _windows(pairs, "perplexity"):
        found = scorer.score([(pair.turns, pair.reply) for pair in window])
        loss -= sum(score.log_prob for score in found)
        tokens += sum(score.tokens for score in found)
        unknown += sum(score.unknown for score in found)
    return {
        "perplexity": math.exp(loss / tokens),
        "tokens": tokens,
        "unknown_share": unknown / tokens,
    }


def measure_recall(bot: Chatbot, pairs: Sequence[Pair], beam_size: int) -> float:
    """Measures how many queries get a reply that the corpus has for them, word for word.

    Args:
        bot: The model.
        pairs: At least one pair; a query that stands in several counts once.
        beam_size: Hypotheses that the beam keeps; 1 is greedy search.

    Returns:
        The share of the queries, by their first reply.
    """
    expected: dict[tuple[str, ...], set[str]] = {}
    for pair in pairs:
        turns = tuple(_spell(turn) for turn in pair.turns)
        expected.setdefault(turns, set()).add(_spell(pair.reply))
    name = "greedy" if beam_size == 1 else f"beam {beam_size}"
    right = 0
    for window in _windows(list(expected), name):
        ranked = bot.replies(window, beam_size)
        right += sum(
            _spell(replies[0].text) in expected[query] for query, replies in zip(window, ranked)
        )
    return right / len(expected)


def evaluate(bot: Chatbot, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Measures everything.

    Args:
        bot: The model.
        pairs: At least one pair.

    Returns:
        {figure: value}; shares are between 0 and 1.
    """
    search = bot.config.search
    figures = {"pairs": len(pairs), **measure_perplexity(bot, pairs)}
    figures["greedy_recall"] = measure_recall(bot, pairs, 1)
    if search.beam_search:
        figures[f"beam_{search.beam_size}_recall"] = measure_recall(bot, pairs, search.beam_size)
    return figures


def list_examples(bot: Chatbot, pairs: Sequence[Pair]) -> str:
    """Writes what the model says to queries, beside what the corpus says, as a Markdown table.

    Args:
        bot: The model.
        pairs: The queries, and their replies in the corpus.

    Returns:
        A row a pair.
    """
    queries = [pair.turns for pair in pairs]
    search = bot.config.search
    columns = {"query": [pair.query for pair in pairs]}
    columns["greedy"] = [found[0].text for found in bot.replies(queries, 1)]
    if search.beam_search:
        columns[f"beam {search.beam_size}"] = [found[0].text for found in bot.replies(queries)]
    columns["corpus"] = [pair.reply for pair in pairs]
    rows = [tuple(columns), ("---",) * len(columns), *zip(*columns.values())]
    cells = [
        [make_visible(" ".join(cell.split())).replace("|", "\\|") for cell in row] for row in rows
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def format_table(figures: Mapping[str, Any]) -> str:
    """Writes figures as a table of two columns."""
    width = max(map(len, figures))
    return "\n".join(
        f"{name:<{width}}  {value:,.4f}".removesuffix(".0000") for name, value in figures.items()
    )


def _windows(items: Sequence[Any], name: str) -> Iterator[Sequence[Any]]:
    """Yields runs of items, with a progress bar on a terminal."""
    with tqdm(total=len(items), desc=name, unit="pair", disable=not sys.stderr.isatty()) as bar:
        for start in range(0, len(items), WINDOW):
            window = items[start : start + WINDOW]
            yield window
            bar.update(len(window))


def _spell(text: str) -> str:
    return " ".join(tokenize(text))


def define_flags() -> None:
    """Defines the flags of `python -m chatbot.evaluate`."""
    flags.DEFINE_string("model_dir", "model/smalltalk", "Directory that train.py has made.")
    flags.DEFINE_string("corpus", "data/smalltalk", "File, directory or zip with dialogues.")
    flags.DEFINE_enum("corpus_format", "auto", FORMATS, "Format of the corpus.")
    flags.DEFINE_integer("limit", 0, "Measure the first pairs only; 0 means all.", 0)
    flags.DEFINE_string("json_file", "", "File to write the figures to, as JSON.")
    flags.DEFINE_integer("examples", 0, "Show what the model says to the first queries.", 0)
    show("What to measure", "model_dir", "corpus", "corpus_format", "limit", "json_file")
    show("What to measure", "examples")
    define_settings("The search; what is not given here is the model directory's", SearchConfig)


def main(_: Sequence[str]) -> int:
    """Prints the figures of the model and the corpus that the flags name.

    Returns:
        0.
    """
    hush()
    bot = Chatbot.load(FLAGS.model_dir, given_settings(SearchConfig))
    read = read_pairs(
        FLAGS.corpus, FLAGS.corpus_format, context_turns=bot.config.corpus.context_turns
    )
    pairs = list(itertools.islice(read, FLAGS.limit or None))
    figures = evaluate(bot, pairs)
    print(format_table(figures))
    if FLAGS.examples:
        print(f"\n{list_examples(bot, pairs[: FLAGS.examples])}")
    if FLAGS.json_file:
        try:
            write_json(Path(FLAGS.json_file), figures)
        except OSError as error:
            raise ChatbotError(
                f"{FLAGS.json_file} cannot be written ({error.strerror}); name another file"
            ) from None
    return 0


if __name__ == "__main__":
    define_flags()
    run(lambda rest: run_politely(lambda: main(rest)), PURPOSE)
