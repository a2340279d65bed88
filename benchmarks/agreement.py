"""Do the engines give the same replies? python -m benchmarks.agreement --model_dir=DIRECTORY.

Our own loops in TensorFlow, in float32, are the measure. For onnxruntime in float32 and in int8,
and for each search, over the queries of a corpus:

    equal        share of queries whose best replies are the same, and of all replies
    ties         of those that differ, the share whose best replies have log probabilities within
                 1e-4 of each other: either may come first
    difference   the largest difference of log probabilities (nats) among equal replies

and, for the corpus' own replies, the perplexity of each, by teacher forcing, with its change.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from absl import flags

from benchmarks.machine import report
from chatbot.bot import Chatbot
from chatbot.corpus import Pair, read_pairs
from chatbot.evaluation.perplexity import score_pairs
from chatbot.programs.flags import FLAGS, define_path, run, show
from chatbot.reply import Reply
from chatbot.settings.config import PLAIN
from chatbot.storage.reports import to_perplexity
from chatbot.system.paths import find_in_project

PURPOSE = "Measures how far onnxruntime gives the replies that our own loops in float32 give."
TIE = 1e-4
SEARCHES: dict[str, dict[str, Any]] = {
    "greedy": {"beam_size": 1},
    "beam": {"beam_size": 5},
    "rules": {"beam_size": 5, "no_repeat_ngram": 2, "min_reply_length": 4},
    "groups": {"beam_size": 6, "diverse_groups": 3},
    "top_k": {"beam_size": 5, "sample": True, "top_k": 40, "temperature": 0.8},
    "top_p": {"beam_size": 5, "sample": True, "top_p": 0.9},
    "scores": {"beam_size": 5, "coverage_penalty": 0.2, "mmi_weight": 0.5},
}
"""{name: its settings}, over those of the plain beam."""


class Agreement(NamedTuple):
    """How far two engines agree on one search; see the module."""

    best: float
    all_replies: float
    ties: float
    difference: float


def define_flags() -> None:
    """Defines the flags of `python -m benchmarks.agreement`."""
    bundled = find_in_project("model/smalltalk")
    define_path("model_dir", bundled, "Model directory, made by train.")
    define_path("corpus", find_in_project("data/smalltalk"), "Whose queries to ask.")
    flags.DEFINE_integer("limit", 0, "Ask only this many first queries; 0 means all.", 0)
    flags.DEFINE_boolean("json", False, "Print the figures as JSON, too, on the last line.")
    show("What to measure", "model_dir", "corpus", "limit", "json")


def compare(found: Sequence[Sequence[Reply]], expected: Sequence[Sequence[Reply]]) -> Agreement:
    """Compares the replies to the same queries, at least one, each query's best first."""
    pairs = list(zip(found, expected))
    same = [x[0].text == y[0].text for x, y in pairs]
    wholly = [[r.text for r in x] == [r.text for r in y] for x, y in pairs]
    gaps = [abs(x[0].log_prob - y[0].log_prob) for (x, y), equal in zip(pairs, same) if not equal]
    differences = [0.0]
    for row, other in pairs:
        known = {reply.text: reply.log_prob for reply in other}
        differences += [abs(r.log_prob - known[r.text]) for r in row if r.text in known]
    ties = float(np.mean([gap <= TIE for gap in gaps])) if gaps else 0.0
    return Agreement(float(np.mean(same)), float(np.mean(wholly)), ties, max(differences))


def measure(model_dir: str, pairs: Sequence[Pair]) -> dict[str, float]:
    """Measures every search of both precisions against our own loops.

    Returns:
        {figure: value}.
    """
    own = Chatbot.load(model_dir, engine="own", reply_precision="float32")
    losses = score_pairs(own, pairs)
    perplexity = to_perplexity(losses.losses.sum() / losses.tokens.sum())
    figures = {"own_perplexity": perplexity}
    queries = [pair.turns for pair in pairs]
    expected = {name: own.replies(queries, **{**PLAIN, **x}) for name, x in SEARCHES.items()}
    for precision in ("float32", "int8"):
        bot = Chatbot.load(model_dir, engine="onnx", reply_precision=precision)
        losses = score_pairs(bot, pairs)
        value = to_perplexity(losses.losses.sum() / losses.tokens.sum())
        figures[f"{precision}_perplexity"] = value
        figures[f"{precision}_perplexity_change"] = value / perplexity - 1
        for name, search in SEARCHES.items():
            agreement = compare(bot.replies(queries, **{**PLAIN, **search}), expected[name])
            for part, value in agreement._asdict().items():
                figures[f"{precision}_{name}_{part}"] = value
    return figures


def main(_: Sequence[str]) -> int:
    """Prints how far the engines agree.

    Returns:
        0.
    """
    pairs = list(islice(read_pairs(FLAGS.corpus, context_turns=100), FLAGS.limit or None))
    figures = measure(FLAGS.model_dir, pairs)
    report(f"replies to {len(pairs):,} queries of {FLAGS.corpus}", figures, FLAGS.json)
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
