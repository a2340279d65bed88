"""Encodes a corpus once, so that training never tokenizes again.

One pass cuts the text into tokens and streams them out under provisional numbers; then the
vocabulary is known, and a second pass over the numbers alone gives them their final ids. Except for
the table of its different words, no more than a chunk of the corpus is held in memory. Pieces of
words are learned in a pass before these, which counts the words.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from chatbot.corpus import Pair, ReadReport, read_pairs
from chatbot.dataset.files import (
    TRAIN,
    VALIDATION,
    VOCABULARY_FILE,
    KnownWords,
    PartWriter,
    WordTable,
    write_meta,
)
from chatbot.errors import ChatbotError
from chatbot.settings.read_options import AUTO, ReadOptions
from chatbot.text import SPECIAL_TOKENS, Vocabulary, tokenize
from chatbot.text.subwords import Subwords, learn_pieces
from chatbot.text.vocabulary import NO_SUBWORDS

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}{unit} [{elapsed}<{remaining}, {rate_fmt}]"
"""The percentage is one of the texts' bytes: how many pairs there are shows only at the end."""
_PAIRS_SHOWN = 500  # at once
_FIRST_PAIRS = 3
_PAIRS_A_CHECK = 100


@dataclass(frozen=True)
class EncodingConfig:
    """How a corpus is cut, counted and divided.

    Attributes:
        max_length: Most tokens a side; the reply's end token counts.
        vocab_size: Most words in the vocabulary, or pieces, its special tokens among them.
        min_count: A word that the training part has fewer times becomes the unknown token; where
            words are cut into pieces, none is learned from it.
        validation_share: Share of the dialogues held out, at least 0 and below 1.
        seed: Chooses which dialogues are held out.
        context_turns: Most turns that a query is made of.
        encoding: As `ReadOptions` has it.
        columns: As `ReadOptions` has it.
        subwords: "none", or what cuts words into pieces: "bpe" or "unigram".
        copies: Whether unknown words of a query have ids of their own; see `text.extended`.
    """

    max_length: int = 40
    vocab_size: int = 40_000
    min_count: int = 1
    validation_share: float = 0.0
    seed: int = 0
    context_turns: int = 1
    encoding: str = AUTO
    columns: str = ""
    subwords: str = NO_SUBWORDS
    copies: bool = False

    def __post_init__(self) -> None:
        counts = self.min_count, self.context_turns
        if self.max_length < 2 or self.vocab_size <= len(SPECIAL_TOKENS) or min(counts) < 1:
            raise ValueError(f"out of range: {self}")
        if not 0.0 <= self.validation_share < 1.0:
            raise ValueError(f"validation_share {self.validation_share} is not in [0, 1)")


def is_held_out(dialogue: int, settings: EncodingConfig) -> bool:
    """Tells whether a dialogue, by its number in the corpus, belongs to the validation part.

    The number, the `seed` and the `validation_share` decide, and nothing else.
    """
    # Python's own hash of a string differs from process to process.
    digest = hashlib.blake2b(f"{settings.seed}:{dialogue}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < settings.validation_share * 2**64


def write_encoded(
    path: str | os.PathLike[str],
    corpus_format: str,
    directory: Path,
    settings: EncodingConfig,
    vocabulary: Vocabulary | None = None,
    progress: bool = True,
    check: Callable[[], None] | None = None,
) -> None:
    """Encodes a corpus into a directory and flushes it to the disk.

    Args:
        path: The corpus: a file, a directory or a zip.
        corpus_format: One of `corpus.FORMATS`.
        directory: An empty directory to write into.
        settings: How to cut, count and divide.
        vocabulary: The words to use; without it they are counted, or pieces are learned, in the
            training part.
        progress: Whether to show a bar on stderr.
        check: Called now and then; what it raises ends the work.

    Raises:
        ChatbotError: The corpus cannot be read, or a part of it is empty.
        OSError: The files cannot be written.
    """

    def read(report: ReadReport, name: str) -> Iterable[Pair]:
        options = ReadOptions(settings.encoding, settings.columns)
        pairs = read_pairs(path, corpus_format, report, settings.context_turns, options)
        pairs = pairs if check is None else _check_often(pairs, check)
        return _show(pairs, report, name) if progress else pairs

    report = ReadReport(check=check)
    if vocabulary is None and settings.subwords != NO_SUBWORDS:
        counts = _count_words(read(ReadReport(check=check), "counting words"), settings)
        vocabulary = _learn_vocabulary(counts, settings)
    words = WordTable() if vocabulary is None else KnownWords(vocabulary, settings.copies)
    segmenter = None if vocabulary is None else vocabulary.segmenter
    names = (TRAIN, VALIDATION) if settings.validation_share else (TRAIN,)
    parts = [PartWriter(directory, name, words, settings.max_length, segmenter) for name in names]
    _divide(read(report, "encoding"), parts, settings)
    _refuse_empty_parts(os.fspath(path), parts, settings)
    if vocabulary is None:
        found = dict(words.count(parts[0].counts))
        vocabulary = Vocabulary.build(found, settings.vocab_size, settings.min_count)
    final_ids = words.final_ids(vocabulary, settings.copies)
    copied_from = len(vocabulary) if settings.copies else 0
    vocabulary.save(directory / VOCABULARY_FILE)
    meta = {
        "settings": asdict(settings),
        "id_type": final_ids.dtype.str,
        "parts": {part.name: part.finish(final_ids, copied_from) for part in parts},
        "dropped": report.dropped,
        "first_dropped": report.first,
        "first_pairs": report.looked_at[:_FIRST_PAIRS],
        "warnings": report.warnings(),
    }
    write_meta(directory, meta)


def _check_often(pairs: Iterable[Pair], check: Callable[[], None]) -> Iterator[Pair]:
    for number, pair in enumerate(pairs):
        if number % _PAIRS_A_CHECK == 0:
            check()
        yield pair


def _count_words(pairs: Iterable[Pair], settings: EncodingConfig) -> Counter[str]:
    """Counts the words of the training part, the context's left out."""
    counts: Counter[str] = Counter()
    last_text, last_words = "", tokenize("")
    for query, reply, dialogue, *_ in pairs:
        if is_held_out(dialogue, settings):
            continue
        query_words = last_words if query == last_text else tokenize(query)
        last_text, last_words = reply, tokenize(reply)
        counts.update(query_words)
        counts.update(last_words)
    return counts


def _learn_vocabulary(counts: Counter[str], settings: EncodingConfig) -> Vocabulary:
    kept = {word: count for word, count in counts.items() if count >= settings.min_count}
    model = learn_pieces(kept, settings.subwords, settings.vocab_size)
    segmenter = Subwords(model, settings.subwords)
    return Vocabulary(segmenter.tokens, segmenter)


def _show(pairs: Iterable[Pair], report: ReadReport, name: str) -> Iterator[Pair]:
    """Passes pairs on under a bar with the time that is left."""
    before = None
    shown = number = 0
    with tqdm(desc=name, unit=" pairs", unit_scale=True) as bar:
        for number, pair in enumerate(pairs, start=1):
            if before is None:
                before = report.share_read()  # by some formats much is read before the first pair
            yield pair
            if number - shown == _PAIRS_SHOWN:
                _advance(bar, number, _estimate_pairs(number, before, report.share_read()))
                shown = number
        _advance(bar, number, number)


def _advance(bar: Any, pairs: int, total: float | None) -> None:
    bar.total = total
    # Without a total the bar's own form has no time left, where this would say that it is 0.
    bar.bar_format = BAR if total else None
    bar.update(pairs - bar.n)


def _estimate_pairs(pairs: int, before: float, now: float) -> float | None:
    """Estimates how many pairs there will be, or None where that cannot be told.

    Args:
        pairs: How many there were.
        before: The share of the texts that was read when the first of them came.
        now: The share that is read.
    """
    return pairs * (1.0 - before) / (now - before) if now > before else None


def _divide(pairs: Iterable[Pair], parts: Sequence[PartWriter], settings: EncodingConfig) -> None:
    last_text, last_tokens = "", tokenize("")
    last_dialogue: int | None = None
    part = parts[0]
    known: dict[str, list[str]] = {}
    for query, reply, dialogue, context, *_ in pairs:
        if len(parts) > 1 and dialogue != last_dialogue:
            part = parts[is_held_out(dialogue, settings)]
            last_dialogue = dialogue
        # Within a dialogue each reply is the next query: it is tokenized once.
        query_tokens = last_tokens if query == last_text else tokenize(query)
        last_text, last_tokens = reply, tokenize(reply)
        if settings.context_turns == 1:
            part.add(dialogue, query_tokens, last_tokens)
            continue
        # So is each turn before them: it was in the pair before, or in that one's context.
        known = {turn: known.get(turn) or tokenize(turn) for turn in context}
        part.add(dialogue, query_tokens, last_tokens, [known[turn] for turn in context])
        known[query], known[reply] = query_tokens, last_tokens
    for part in parts:
        part.flush()


def _refuse_empty_parts(path: str, parts: Sequence[PartWriter], settings: EncodingConfig) -> None:
    empty = [part.name for part in parts if not part.pairs]
    if len(empty) == len(parts):
        raise ChatbotError(f"{path}: there is no query with a reply in it; give another corpus")
    if empty:
        cure = (
            "lower it"
            if empty == [TRAIN]
            else "raise it, leave it out, or give a validation corpus"
        )
        share = f"--validation_share={settings.validation_share}"
        raise ChatbotError(f"{path}: {share} leaves no dialogue for {empty[0]}; {cure}")
