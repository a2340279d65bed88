"""The settings of what is learned from.

The names are those of the tutorial that the project reproduces. The defaults are the values that
measured best; `data/tutorial.flags` has the tutorial's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatbot.settings.fields import Settings, setting
from chatbot.settings.read_options import AUTO, ReadOptions


@dataclass(frozen=True)
class CorpusConfig(Settings):
    """What is learned from, and how it is cut into tokens."""

    corpus: str = setting("", "File, directory or zip of dialogues to learn from.", is_path=True)
    corpus_format: str = setting(
        "auto",
        "Format of the corpora; auto looks at the files.",
        choices=(
            "auto",
            "tsv",
            "csv",
            "jsonl",
            "json",
            "dailydialog",
            "cornell",
            "convokit",
            "chatterbot",
            "conv",
            "mixed",
        ),
    )
    encoding: str = setting(
        AUTO,
        "Encoding of the corpus files, by any name that Python knows; auto detects UTF-8, UTF-16 "
        "and GB18030 (GBK), file by file.",
    )
    columns: str = setting(
        "",
        "Columns of query and reply: numbers in tsv and csv (2,3), names there or in JSON "
        "(question,answer). If empty, the usual names are looked for, then the first two columns "
        "are taken.",
    )
    validation_corpus: str = setting(
        "", "Corpus on which the validation perplexity is measured.", is_path=True
    )
    validation_share: float = setting(
        0.0, "Share of the corpus' dialogues held out for validation.", 0.0, 0.9
    )
    max_length: int = setting(
        40,
        "Maximum tokens of a reply, including its end token, and of each turn of a query; with "
        "--subwords pieces of words. Longer ones are cut; a reply that is cut has no end token.",
        2,
        10_000,
    )
    vocab_size: int = setting(
        40_000,
        "Maximum words in the vocabulary, including five special tokens; with --subwords pieces of "
        "words, including 256 bytes too.",
        6,
        10_000_000,
    )
    min_count: int = setting(
        1,
        "Words seen fewer times than this become the unknown token; with --subwords no piece is "
        "learned from them, and no word is unknown.",
        1,
        1_000_000,
    )
    subwords: str = setting(
        "none",
        "Cut words into pieces that are learned from the corpus, so that no word is unknown: by "
        "byte pair encoding (bpe) or a unigram model (unigram), such as bpe with "
        "--vocab_size=8000; none keeps words whole.",
        choices=("none", "bpe", "unigram"),
    )
    context_turns: int = setting(
        1,
        "Turns of the dialogue that make up a query: the one to reply to and those before it, each "
        "cut to max_length tokens; 1 takes every turn by itself.",
        1,
        100,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        ReadOptions(self.encoding, self.columns)  # says what is wrong with them
