"""Measures models on a corpus: chatbot evaluate --model_dir=DIRECTORY --corpus=FILE.

`--json_file` writes the figures as one JSON object. For one model its top level has

    task                      what --task names
    pairs, dialogues          counts; of another task than chat the pairs of one query are gathered,
                              and count as a dialogue
    tokens, words             of the replies, their end tokens counted; a model of subwords has more
                              tokens than words
    unknown_share             share of the tokens that are not in the vocabulary
    perplexity                e to the mean loss (nats) of a token
    word_perplexity           e to the loss of all tokens over the number of words (Mielke 2019),
                              the same for models of words
    known_share               share of the pairs whose reply is not cut and has no unknown word
    known_word_perplexity     word_perplexity over these: models whose share is near 1 and which cut
                              words differently compare by it, and by from_first exactly
    perplexity_interval       [low, high], 95 %, see below; so for each of the others
    greedy_recall             share of the different queries that greedy search answers, word for
                              word, with a reply that the corpus has for them
    beam_N_recall             the same for the model's own beam of N
    greedy_equals_beam_share  share of the pairs to which both reply the same
    seen_share                share of the pairs that occur in the training corpus too
    X_unseen                  each X of these except the last, over the other pairs
    searches                  {search: {figure: value}}, see below
    people                    {figure: value} of the corpus' own replies
    lead                      {figure: value} of the first words of each query's last turn, copied
                              as they are, and how many `words` these are: as many as a reference
                              has on average (characters, in Chinese and Japanese)
    hits                      how often the own reply is the likeliest of some, see below; null
                              without
    signatures                {bleu, chrf}, or {rouge}: how they were computed
    notes                     what to know about the figures, as sentences

and for each search, by the reply that it ranks first (of samples the best of `beam_size`)

    settings                  all settings of the search
    bleu, chrf                0 to 100, over the corpus; one reference a query, tokens of `text`;
                              of a translation all references of the query, whole texts
    length_ratio              of a translation: tokens over those of the reference of next length,
                              as BLEU counts them
    rouge_1, rouge_2, rouge_l of a summary: mean F1, 0 to 100, to the best of its references
    distinct_1, distinct_2    different n-grams over all n-grams (not tokens) of all replies
    mean_length               tokens, without the end token
    commonest_share           share of the replies that are one of the ten commonest
    same_as_greedy_share      share of the replies that greedy search gives too
    recall                    as greedy_recall
    mean_log_prob             of the replies, nats
    intervals                 {figure: [low, high]} of these except recall, 95 %
    from_greedy               {figure: {difference, interval}} to greedy search
    replies_per_second        by the clock, without building the graphs
    unseen                    the same over the unseen pairs, except settings and speed

of which a task has those that it needs: distinct_1, distinct_2, mean_length, commonest_share and
recall, people and hits are of the chat alone, and lead is of summaries alone. Of a query with
several references all are unseen, or none is.

and for hits@k (`evaluation.hits` has the formulas and how candidates are drawn)

    candidates                candidates of each query: its own reply and others of the corpus
    queries                   that were measured, drawn at random where the pairs are more
    plain, mmi                by the log probability a token, and without that of an empty query:
        hits_1, hits_5        share of the queries whose own reply is the first, or in the first 5
        mean_rank             of the own reply, 1 for the first
        intervals             {figure: [low, high]} of these, 95 %
    unseen                    queries, plain and mmi over the unseen pairs

Where the training pairs are not known, or all pairs were among them, what is unseen is null or 0.
Several models give {"models": {directory: the object of one model}}; each but the first also has

    from_first                {model, pairs, perplexity, word_perplexity, hits, searches, unseen}:
                              differences of its figures to those of the first model, over the same
                              pairs; `unseen` over pairs that neither has learned from; no
                              perplexity where the two count different tokens (another vocabulary
                              or max_length); word_perplexity over the `pairs` whose reply is whole
                              and has no word that one of the two does not know

With `--held_out` the object of a model has {search: {file of queries: {figure: value}}} alone,
with "all" beside the files, and the figures

    queries                   how many there are
    acceptable                share of the best replies that are acceptable
    interval                  [low, high] of this share, 95 % (Wilson)
    other_language            replies in Chinese to turns in another language, and the other way

and beside the searches "hits", where `acceptable` is the share of the queries for which the model
finds an acceptable reply likelier than all others of --hits_candidates, and `other_language` null.

Intervals say how far a figure would change with other dialogues of the same kind, not with another
training of the model. They come from a jackknife that leaves out one dialogue at a time, in a
difference the same one on both sides (`evaluation.intervals`). They are null where there are too
few dialogues or all agree.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from chatbot.corpus import Pair, read_pairs
from chatbot.corpus.held_out import read_held_out
from chatbot.errors import ChatbotError
from chatbot.evaluation.searches import Search, parse_searches
from chatbot.evaluation.tasks import CHAT, TASKS, gather_references
from chatbot.programs.flags import (
    FLAGS,
    define_path,
    define_paths,
    define_settings,
    given_settings,
    given_values,
    show,
)
from chatbot.settings.config import CorpusConfig, SearchConfig, TrainingConfig
from chatbot.settings.read_options import ReadOptions
from chatbot.system.paths import find_in_project
from chatbot.system.terminal import write_output

MOST_TURNS = 100
"""Turns of a dialogue that are read with a pair: the most that any model is trained with. Each
model takes as many of the last as its own `context_turns`."""

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
    _define_task()
    define_settings("What to measure", TrainingConfig, "engine", "reply_precision")
    flags.DEFINE_integer("limit", 0, "Measure only this many first pairs; 0 means all.", 0)
    _define_hits()
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
    define_path(
        "held_out",
        "",
        "Measure this instead: how many replies to held-out queries are acceptable. A directory or "
        "a *.jsonl file, on each line the turns of a dialogue and the intents, as --corpus has "
        "them, whose replies are acceptable.",
    )
    show("What to measure", "limit", "hits_candidates", "hits_queries", "search")
    show("What to measure", "held_out", "json_file", "report", "examples")
    define_settings("The search; by default the model's own", SearchConfig)


def _define_task() -> None:
    flags.DEFINE_enum(
        "task",
        CHAT,
        list(TASKS),
        "What the replies are: talk; translations, for sacreBLEU and chrF2 over texts, with the "
        "tokenizer for the references' script; or summaries, for ROUGE. Except for chat, pairs of "
        "the same query are one query with several references; python -m tools.split holds such "
        "pairs out of the training together.",
    )
    show("What to measure", "task")


def _define_hits() -> None:
    flags.DEFINE_integer(
        "hits_candidates",
        20,
        "Candidates of which the model picks the likeliest reply to a query, for hits@k: the "
        "query's own reply and others of the corpus; 0 leaves hits@k out.",
        0,
        10_000,
    )
    flags.DEFINE_integer(
        "hits_queries", 500, "Most queries that hits@k is measured on; 0 means all.", 0
    )


def main(_: Sequence[str]) -> int:
    """Prints the figures of the models and the corpus that the flags name."""
    searches = parse_searches(FLAGS.search)
    names = FLAGS.model_dir
    if len(set(map(os.path.realpath, names))) < len(names):
        raise ChatbotError("--model_dir names a directory twice; name each once")
    _check_outputs(FLAGS.json_file, FLAGS.report)
    if FLAGS.task != CHAT and (FLAGS.held_out or given_values("hits_candidates", "hits_queries")):
        raise ChatbotError(
            f"--task={FLAGS.task} has no --held_out, --hits_candidates and --hits_queries, which "
            "measure talk; leave them out"
        )
    read = read_pairs(
        FLAGS.corpus,
        FLAGS.corpus_format,
        context_turns=MOST_TURNS,
        options=ReadOptions(FLAGS.encoding, FLAGS.columns),
    )
    if FLAGS.held_out:
        return _judge_held_out(list(read), searches)
    return _measure(list(itertools.islice(read, FLAGS.limit or None)), searches)


def _measure(pairs: Sequence[Pair], searches: Sequence[Search]) -> int:
    """Prints the figures of the models on pairs."""
    # Takes a moment: what can go wrong without it has been found before.
    from chatbot.evaluation import comparison
    from chatbot.evaluation.hits import Asked

    is_talk = TASKS[FLAGS.task].is_talk
    pairs = pairs if is_talk else gather_references(pairs)
    names, settings = FLAGS.model_dir, given_settings(SearchConfig)
    for name in names:
        comparison.check_directory(name, searches, settings)
    found = comparison.evaluate_directories(
        names,
        pairs,
        searches,
        settings,
        Asked(FLAGS.hits_candidates, FLAGS.hits_queries) if is_talk else None,
        FLAGS.task,
        **given_values("engine", "reply_precision"),
    )
    write_output(f"{comparison.format_figures(found)}\n")
    if FLAGS.examples:
        write_output(f"\n{comparison.format_examples(found, pairs[: FLAGS.examples])}\n")
    if FLAGS.json_file:
        comparison.write_figures(Path(FLAGS.json_file), found)
    if FLAGS.report:
        comparison.write_report(Path(FLAGS.report), found, pairs)
    return 0


def _judge_held_out(pairs: Sequence[Pair], searches: Sequence[Search]) -> int:
    """Prints how many replies to held-out queries are acceptable."""
    items = read_held_out(FLAGS.held_out, pairs)[: FLAGS.limit or None]
    from chatbot.evaluation import acceptance

    found = acceptance.judge_directories(
        FLAGS.model_dir,
        items,
        searches,
        [pair.reply for pair in pairs],
        FLAGS.hits_candidates,
        given_settings(SearchConfig),
        **given_values("engine", "reply_precision"),
    )
    write_output(f"{acceptance.format_acceptance(found, items[: FLAGS.examples])}\n")
    if FLAGS.json_file:
        acceptance.write_acceptance(Path(FLAGS.json_file), found)
    return 0


def _check_outputs(json_file: str, report: str) -> None:
    """Refuses outputs that could not be written, before hours of work."""
    if json_file and not os.path.isdir(os.path.dirname(json_file) or "."):
        raise ChatbotError(f"{json_file} cannot be written (no such directory); name another file")
    if json_file and os.path.isdir(json_file):
        raise ChatbotError(f"{json_file} cannot be written (it is a directory); name a file in it")
    if os.path.exists(report) and not os.path.isdir(report):
        raise ChatbotError(f"--report={report} is not a directory; name another one")
