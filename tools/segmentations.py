"""Compares ways to cut a corpus' words: python -m tools.segmentations --corpus=CORPUS.

Prints a Markdown table: for vocabularies of whole words (all, and those seen twice) and of pieces,
all learned from `--corpus`, the tokens a word and what is unknown of another corpus. Times are of
the processor, so that other programs make little difference.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

from absl import flags

from chatbot.corpus import read_pairs
from chatbot.programs.flags import FLAGS, define_path, run, show
from chatbot.system.terminal import write_output
from chatbot.text import UNK, Vocabulary, tokenize
from chatbot.text.subwords import Subwords, learn_pieces

PURPOSE = "Compares vocabularies of words and of pieces of words on one corpus."
ALL = 10_000_000
HEADER = (
    "vocabulary | size | tokens a word | unknown words | turns with one | learning | words a second"
)


def define_flags() -> None:
    """Defines the program's flags."""
    define_path("corpus", "", "Corpus to learn from.")
    define_path("held_out", "", "Corpus to cut; empty cuts the other one.")
    flags.DEFINE_multi_integer("vocab_size", [8000], "Most tokens, once or several times.", 300)
    show("What to compare", "corpus", "held_out", "vocab_size")


def read_turns(path: str) -> list[list[str]]:
    """Reads the words of every turn, once."""
    turns: list[list[str]] = []
    last = -1, ""
    for pair in read_pairs(path, "auto"):
        texts = pair.query, pair.reply
        turns += map(tokenize, texts[last == (pair.dialogue, pair.query) :])
        last = pair.dialogue, pair.reply
    return turns


def measure(name: str, learn: Callable[[], Vocabulary], turns: Sequence[Sequence[str]]) -> str:
    """Learns a vocabulary and measures it; returns a row."""
    begin = time.process_time()
    vocabulary = learn()
    learned = time.process_time()
    ids = [vocabulary.encode(vocabulary.segmenter.split(turn)) for turn in turns]
    seconds = time.process_time() - learned
    words, tokens = (sum(map(len, rows)) for rows in (turns, ids))
    unknown = sum(row.count(UNK) for row in ids) / words
    touched = sum(UNK in row for row in ids) / len(ids)
    cells = (f"{tokens / words:.3f}", f"{unknown:.2%}", f"{touched:.1%}")
    times = (f"{learned - begin:.1f} s", f"{words / seconds:,.0f}")
    return " | ".join([name, f"{len(vocabulary):,}", *cells, *times])


def learn_subwords(counts: Counter[str], kind: str, size: int) -> Vocabulary:
    """Learns a vocabulary of pieces."""
    segmenter = Subwords(learn_pieces(counts, kind, size), kind)
    return Vocabulary(segmenter.tokens, segmenter)


def main(_: Sequence[str]) -> int:
    """Prints the table; returns 0."""
    turns = read_turns(FLAGS.corpus)
    counts = Counter(chain.from_iterable(turns))
    if FLAGS.held_out:
        turns = read_turns(FLAGS.held_out)
    rows = [
        measure(f"words seen {least} times", partial(Vocabulary.build, counts, ALL, least), turns)
        for least in (1, 2)
    ]
    for size in FLAGS.vocab_size:
        rows.append(measure("words", partial(Vocabulary.build, counts, size, 1), turns))
        for kind in ("bpe", "unigram"):
            rows.append(measure(kind, partial(learn_subwords, counts, kind, size), turns))
    lines = [HEADER, " | ".join(["---"] * 7), *rows]
    write_output("".join(f"| {line} |\n" for line in lines))
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
