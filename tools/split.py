"""Splits a corpus in two with no query in both: python -m tools.split --corpus=CORPUS."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from absl import flags

from chatbot.corpus import Pair, read_pairs
from chatbot.errors import ChatbotError
from chatbot.programs.flags import FLAGS, define_path, define_settings, run, show
from chatbot.settings.config import CorpusConfig
from chatbot.settings.read_options import ReadOptions
from chatbot.system.files import replace_text
from chatbot.system.terminal import write_output
from chatbot.text import tokenize

PURPOSE = (
    "Splits a corpus into train.jsonl and held_out.jsonl by its queries: all pairs of one query "
    "are in the same file. (--validation_share of train.py goes by dialogues, so a query may be on "
    "both sides.) Each pair is one turn and its reply. Train on the first file, with the second as "
    "--validation_corpus, and measure with evaluate.py --corpus=held_out.jsonl."
)
TRAIN, HELD_OUT = "train.jsonl", "held_out.jsonl"


def define_flags() -> None:
    """Defines the flags of `python -m tools.split`."""
    define_path("corpus", "", "File, directory or zip of pairs.")
    show("What to split", "corpus")
    define_settings("What to split", CorpusConfig, "corpus_format", "encoding", "columns")
    flags.DEFINE_float("share", 0.1, "Share of the queries held out.", 0.0, 1.0)
    flags.DEFINE_integer("seed", 0, "Chooses which queries are held out.")
    define_path("directory", "", "Directory for the two files, made where it is missing.")
    show("How to split", "share", "seed", "directory")


def is_held_out(query: str, share: float, seed: int) -> bool:
    """Tells whether a query is held out; its tokens, the seed and the share decide."""
    text = f"{seed}:{' '.join(tokenize(query))}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def split_pairs(pairs: Iterable[Pair], share: float, seed: int) -> dict[str, list[str]]:
    """Writes each pair as a line of JSON: {file name: lines}."""
    lines: dict[str, list[str]] = {TRAIN: [], HELD_OUT: []}
    for pair in pairs:
        name = HELD_OUT if is_held_out(pair.query, share, seed) else TRAIN
        texts = {"query": pair.query, "reply": pair.reply}
        lines[name].append(json.dumps(texts, ensure_ascii=False) + "\n")
    return lines


def main(_: Sequence[str]) -> int:
    """Writes the two files and prints how many pairs each has."""
    directory = Path(FLAGS.directory)
    if not FLAGS.directory:
        raise ChatbotError("--directory is missing; name one for the two files")
    pairs = read_pairs(
        FLAGS.corpus, FLAGS.corpus_format, options=ReadOptions(FLAGS.encoding, FLAGS.columns)
    )
    found = split_pairs(pairs, FLAGS.share, FLAGS.seed)
    if not all(found.values()):
        raise ChatbotError(f"--share={FLAGS.share} leaves one file empty; choose another share")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in found:
            if (directory / name).exists():
                raise ChatbotError(f"{directory / name} is there already; name another --directory")
        for name, lines in found.items():
            replace_text(directory / name, "".join(lines))
            write_output(f"{directory / name}: {len(lines):,} pairs\n")
    except OSError as error:
        raise ChatbotError(f"{directory} cannot be written ({error.strerror})") from None
    return 0


if __name__ == "__main__":
    run(main, PURPOSE, define_flags)
