"""Measures models on a corpus: chatbot evaluate --model_dir=DIRECTORY --corpus=FILE.

`--json_file` writes the figures as one JSON object. Of one model its top level has

    pairs, dialogues, tokens  how many; the replies' end tokens count as tokens
    unknown_share             of the tokens, those that the vocabulary does not have
    perplexity                e to the mean loss (nats) of a token
    perplexity_interval       [low, high], 95 %, see below
    greedy_recall             of the different queries, those whose reply the corpus has for them,
    beam_N_recall             word for word, by greedy search and by the model's own beam of N
    greedy_equals_beam_share  of the pairs, those for which the two reply the same
    seen_share                of the pairs, those that occur in the training corpus too
    X_unseen                  each X of these except the last, over the pairs that do not
    searches                  {search: {figure: value}}, see below
    people                    {figure: value} of the corpus' own replies
    signatures                {bleu, chrf}: how sacrebleu computed them
    notes                     what to know of the figures, as sentences

and of each search, by the reply that it ranks best (of samples the best of `beam_size`)

    settings                  all settings of the search
    bleu, chrf                0 to 100, of the corpus; one reference a query, tokens of `text`
    distinct_1, distinct_2    different n-grams over all n-grams (not tokens) of all replies
    mean_length               tokens, the end token not counted
    commonest_share           of the replies, those that are one of the ten commonest
    same_as_greedy_share      of the replies, those that greedy search gives too
    recall                    as greedy_recall
    mean_log_prob             of the replies, nats
    intervals                 {figure: [low, high]} of these except recall, 95 %
    from_greedy               {figure: {difference, interval}}: each less that of greedy search
    replies_per_second        by the clock, the making of the graphs not counted
    unseen                    the same over the unseen pairs, except settings and speed

Where nobody knows which pairs were learned from, or all were, what is unseen is null or 0. Several
models give {"models": {directory: the object of one model}}; each but the first has also

    from_first                {model, pairs, perplexity, searches, unseen}: its figures less those
                              of the first model, over the same pairs; `unseen` by those that
                              neither has learned from; no perplexity where the two count other
                              tokens (another vocabulary or max_length)

Intervals say how far a figure would change with other dialogues of the same kind, not with another
training of the model. They leave out one dialogue at a time (a jackknife, `evaluation.intervals`),
and a difference leaves out the same one on both sides. They are null where the dialogues are too
few or all agree.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from chatbot.corpus import read_pairs
from chatbot.errors import ChatbotError
from chatbot.evaluation.searches import parse_searches
from chatbot.programs.flags import (
    FLAGS,
    define_path,
    define_paths,
    define_settings,
    given_settings,
    show,
)
from chatbot.settings.config import CorpusConfig, SearchConfig
from chatbot.settings.read_options import ReadOptions
from chatbot.system.notices import hush
from chatbot.system.paths import find_in_project
from chatbot.system.terminal import write_output

MOST_TURNS = 100
"""Turns of a dialogue that go with a pair; each model reads as many of the last as it was trained
with, and no model more."""

PURPOSE = (
    "Measures models on a corpus: perplexity, and for each search the BLEU, chrF, variety, length "
    "and speed of its replies, over all pairs and over those that were not in the training corpus."
)


def define_flags() -> None:
    """Defines the program's flags."""
    define_paths(
        "model_dir",
        [find_in_project("model/smalltalk")],
        "Model directory, made by train; several, each with its own flag, are compared.",
    )
    bundled = find_in_project("data/smalltalk")
    define_path("corpus", bundled, "File, directory or zip of dialogues.")
    show("What to measure", "model_dir", "corpus")
    define_settings("What to measure", CorpusConfig, "corpus_format", "encoding", "columns")
    flags.DEFINE_integer("limit", 0, "Measure only this many first pairs; 0 means all.", 0)
    flags.DEFINE_multi_string(
        "search",
        [],
        "Another search to compare, by its settings with commas between them, such as "
        "beam_size=20,length_penalty=1.2 or sample,beam_size=1,top_k=40. Settings that are not "
        "named are those of the plain beam; the best reply counts. A label and a colon may come "
        "first: wide:beam_size=20. May be given several times.",
    )
    define_path("json_file", "", "File to write the figures to, as JSON.")
    define_path("report", "", "Directory to write report.html to.")
    flags.DEFINE_integer("examples", 0, "Show the replies to this many first queries.", 0)
    show("What to measure", "limit", "search", "json_file", "report", "examples")
    define_settings("The search; by default the model's own", SearchConfig)


def main(_: Sequence[str]) -> int:
    """Prints the figures of the models and the corpus that the flags name."""
    hush()
    searches = parse_searches(FLAGS.search)
    names = FLAGS.model_dir
    if len(set(map(os.path.realpath, names))) < len(names):
        raise ChatbotError("--model_dir names a directory twice; name each once")
    _check_outputs(FLAGS.json_file, FLAGS.report)
    read = read_pairs(
        FLAGS.corpus,
        FLAGS.corpus_format,
        context_turns=MOST_TURNS,
        options=ReadOptions(FLAGS.encoding, FLAGS.columns),
    )
    pairs = list(itertools.islice(read, FLAGS.limit or None))
    # Loads TensorFlow: what can go wrong without it has been found before.
    from chatbot.evaluation import comparison

    settings = given_settings(SearchConfig)
    for name in names:
        comparison.check_directory(name, searches, settings)
    found = comparison.evaluate_directories(names, pairs, searches, settings)
    if FLAGS.json_file:
        comparison.write_figures(Path(FLAGS.json_file), found)
    if FLAGS.report:
        comparison.write_report(Path(FLAGS.report), found, pairs)
    write_output(f"{comparison.format_figures(found)}\n")
    if FLAGS.examples:
        write_output(f"\n{comparison.format_examples(found, pairs[: FLAGS.examples])}\n")
    return 0


def _check_outputs(json_file: str, report: str) -> None:
    """Refuses outputs that could not be written, before hours of work."""
    if json_file and not os.path.isdir(os.path.dirname(json_file) or "."):
        raise ChatbotError(f"{json_file} cannot be written (no such directory); name another file")
    if json_file and os.path.isdir(json_file):
        raise ChatbotError(f"{json_file} cannot be written (it is a directory); name a file in it")
    if os.path.exists(report) and not os.path.isdir(report):
        raise ChatbotError(f"--report={report} is not a directory; name another one")
