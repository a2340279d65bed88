"""A training's corpora: opened, encoded where they are not yet, and shown to a person."""

from __future__ import annotations

import dataclasses
import functools
import shutil
from collections.abc import Callable

from chatbot.dataset import Corpora, EncodedCorpus, EncodingConfig, encode_corpus
from chatbot.dataset.cache import keep_only
from chatbot.dataset.entropy import leave_out
from chatbot.errors import ChatbotError
from chatbot.plots.first_pairs import show_first_pairs
from chatbot.settings.config import CorpusConfig
from chatbot.training.job import Job
from chatbot.training.origins import enter_directory

ENCODED = "encoded"
"""Where in a model directory its encoded corpora are, if not elsewhere."""


def prepare_corpora(job: Job) -> Corpora:
    """Opens the corpora and enters the directory; the chief goes first and writes what is missing.

    Raises:
        ChatbotError: A corpus is missing, empty, of another format or has changed.
        Stopped: Somebody asked to stop while a corpus was encoded.
    """
    directory, distribution = job.directory, job.distribution
    if not distribution.is_chief:
        distribution.wait_for_all()
        if not directory.exists():
            raise ChatbotError(
                f"{directory.path} is not what the chief has written; put --model_dir on a file "
                "system that all workers see"
            )
    corpora = open_corpora(job)
    enter_directory(directory, job.config, corpora)
    if distribution.is_chief:
        directory.keep_pairs(corpora.train.pairs_file)  # an older version kept none
        if not job.cache_dir:
            parts = corpora.train, corpora.validation
            keep_only(directory.path / ENCODED, [part.directory for part in parts if part])
        _introduce(corpora, job.config.corpus, job.audience.say)
        distribution.wait_for_all()
    return corpora


def _introduce(corpora: Corpora, config: CorpusConfig, say: Callable[[str], None]) -> None:
    """Says what is learned, and shows enough of it to see whether that is what was meant."""
    train, validation = corpora.train, corpora.validation
    say(train.describe())
    say(show_first_pairs(train.summary["first_pairs"], shutil.get_terminal_size().columns))
    _warn(train, say)
    if config.context_turns > 1 and not train.summary["context_tokens"]:
        say(
            f"note: --context_turns={config.context_turns} adds nothing here, where no "
            "turn stands before a pair: no dialogue has more than two"
        )
    if validation is not None:
        say(f"to measure: {validation.describe()}")
        if config.validation_corpus:
            _warn(validation, say)


def _warn(corpus: EncodedCorpus, say: Callable[[str], None]) -> None:
    for warning in corpus.summary["warnings"]:
        say(f"warning: {warning}")


def open_corpora(job: Job) -> Corpora:
    """Opens the training and the validation corpus, encoding what is not encoded yet.

    Raises:
        ChatbotError: A corpus cannot be read, or --filter_entropy leaves nothing of it.
    """
    config, beside = job.config, job.directory.path.absolute().parent
    settings = EncodingConfig(
        max_length=config.corpus.max_length,
        vocab_size=config.corpus.vocab_size,
        min_count=config.corpus.min_count,
        validation_share=config.corpus.validation_share,
        seed=config.training.seed,
        context_turns=config.corpus.context_turns,
        encoding=config.corpus.encoding,
        columns=config.corpus.columns,
        subwords=config.corpus.subwords,
        copies=config.model.pointer_generator,
    )
    encode = functools.partial(
        encode_corpus,
        corpus_format=config.corpus.corpus_format,
        cache_dir=job.cache_dir or job.directory.path / ENCODED,
        progress=job.audience.is_shown,
        check=job.stop.check,
        neighbours=() if job.cache_dir else list(beside.glob(f"*/{ENCODED}")),
    )
    train, validation, vocabulary = encode(config.corpus.corpus, settings=settings)
    if config.corpus.validation_corpus:
        own = dataclasses.replace(settings, validation_share=0.0)
        validation, _, _ = encode(
            config.corpus.validation_corpus, settings=own, vocabulary=vocabulary
        )
    training = config.training
    if training.filter_entropy:
        train = leave_out(train, training.filter_entropy, training.filter_side, vocabulary)
    return Corpora(train, validation, vocabulary)
