"""Draws the worked example of beam search: python -m tools.draw_examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from chatbot.beam_tree import Branch
from chatbot.plots import draw_beam_tree
from chatbot.programs.flags import FLAGS, define_path, run, show
from chatbot.system.paths import find_in_project

PURPOSE = "Draws the worked example of beam search, of width 2."
WORDS = ("I", "am", "Chinese")
PROBABILITIES = {"": (0.4, 0.5, 0.1), "I": (0.3, 0.6, 0.1), "am": (0.3, 0.3, 0.4)}
"""{word: the probability of each of `WORDS` after it}."""


def search_table(
    table: Mapping[str, tuple[float, ...]], words: tuple[str, ...], width: int, steps: int
) -> list[list[Branch]]:
    """Beam search where a word's probability depends only on the word before it.

    Args:
        table: {word: the probability of each of `words` after it}, "" being the beginning.
        words: All words.
        width: Hypotheses kept at every step.
        steps: Words of a hypothesis.

    Returns:
        All branches of every step, the likeliest first.
    """
    tree: list[list[Branch]] = []
    beam = [("", 0.0)]
    for _ in range(steps):
        scores = np.array([[log_prob] for _, log_prob in beam])
        scores = scores + np.log([table[word] for word, _ in beam])
        order = np.argsort(-scores, axis=None, kind="stable")
        places = [divmod(int(place), len(words)) for place in order]
        tree.append(
            [
                Branch(parent, words[word], float(scores[parent, word]), rank < width, ended=False)
                for rank, (parent, word) in enumerate(places)
            ]
        )
        beam = [(branch.text, branch.log_prob) for branch in tree[-1] if branch.kept]
    return tree


def draw_examples(directory: Path) -> None:
    """Draws the example into a directory."""
    tree = search_table(PROBABILITIES, WORDS, width=2, steps=2)
    draw_beam_tree(str(directory / "beam_tree.svg"), tree, "beam search, width 2")


def define_flags() -> None:
    """Defines the flags of `python -m tools.draw_examples`."""
    define_path("directory", find_in_project("docs"), "Directory for the picture.")
    show("Where to put it", "directory")


def main(_: Sequence[str]) -> int:
    """Draws into the directory that the flags name."""
    draw_examples(Path(FLAGS.directory))
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
