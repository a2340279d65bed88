"""A training's life: begun, gone on with, finished."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from chatbot.corpus import read_pairs
from chatbot.dataset import Corpora, EncodedCorpus, EncodingConfig, encode_corpus
from chatbot.dataset.cache import keep_only
from chatbot.errors import ChatbotError
from chatbot.network.device import computing_in, has_gpu, prepare_device, resolve_precision
from chatbot.network.seq2seq import Seq2Seq
from chatbot.plots.first_pairs import show_first_pairs
from chatbot.settings.config import Config, SearchConfig, TrainingConfig
from chatbot.settings.read_options import ReadOptions
from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.command import command
from chatbot.system.stopping import Stopped, StopRequest
from chatbot.training.audience import Audience
from chatbot.training.averages import make_averages
from chatbot.training.distribution import Distribution, join_others
from chatbot.training.job import Run, draw_reports, explaining
from chatbot.training.origins import PATHS, are_same, enter_directory, fingerprint_corpora
from chatbot.training.trainer import Trainer

CHANGEABLE = {
    "num_epochs",
    "max_steps",
    "patience",
    "steps_per_checkpoint",
    "model_name",
    "max_bad_steps",
    *(item.name for item in dataclasses.fields(SearchConfig)),
}
"""Settings that may always differ when a training goes on; most others would make it another."""
ENCODED = "encoded"
"""Where in a model directory its encoded corpora are, if not elsewhere."""
OF_ONE_RUN = {"max_minutes": 0.0, "distribute": "auto"}
"""Settings that are not kept, and what stands in their place."""


def train_directory(
    model_dir: str,
    given: Mapping[str, Any],
    cache_dir: str = "",
    stop: StopRequest | None = None,
    audience: Audience = Audience(),  # noqa: B008 - it is frozen
) -> int:
    """Trains a model directory, or goes on with its training.

    Args:
        model_dir: The directory.
        given: {setting: value} for what the command line names; a directory that exists already
            answers for the rest.
        cache_dir: Where encoded corpora are kept, for ever; empty means in the model directory,
            where those stay that it needs.
        stop: Asked after every step; without it signals and `max_minutes` are heeded from now.
        audience: Who hears of it.

    Returns:
        0 when the training is finished or its minutes are over, 128 + the signal's number when it
        was stopped.

    Raises:
        ChatbotError: Something that a person can fix.
    """
    stop = stop or StopRequest(given.get("max_minutes", 0.0))
    directory = ModelDirectory(model_dir)
    device = prepare_device()  # before the workers are joined, as TensorFlow wants it
    setting = given.get("distribute", TrainingConfig.distribute)
    distribution = join_others(setting, audience.say)
    with explaining(directory, distribution):
        config = settle_config(directory, given)
        done = directory.finished()
        if done is not None and are_same(directory, config):
            reason = done.get("reason")
            audience.say(f"{directory.path} is trained already ({reason}); nothing to do")
            return 0
        precision = resolve_precision(config.training.precision)
        # Until they all agree nothing is written that one of them might still read.
        agreed = {**config.flat(), "resolved": precision, "done": done}
        distribution.check_agreement(agreed, "were started with different settings")
        if distribution.is_chief:
            audience.say(f"computing on {device} in {precision}{_count_replicas(distribution)}")
        run = Run(directory, config, cache_dir, stop, audience, distribution)
        with directory.lock() if distribution.is_chief else contextlib.nullcontext():
            return _train(run, precision)


def _count_replicas(distribution: Distribution) -> str:
    if distribution.strategy is None:
        return ""
    workers = "" if distribution.cluster is None else f", {distribution.cluster.describe()}"
    return f", {distribution.replicas} replicas{workers}"


def _train(run: Run, precision: str) -> int:
    directory, config, distribution = run.directory, run.config, run.distribution
    if config.training.deterministic:
        tf.config.experimental.enable_op_determinism()
    try:
        corpora = _prepare(run)
    except Stopped:
        if run.stop.signal_number is not None:
            raise
        run.audience.say(
            "stopped while the corpus was encoded, of which nothing is kept; run the same command "
            "to begin again, with more minutes if they are too few"
        )
        return 0
    with computing_in(precision), distribution.scope():
        model = Seq2Seq(config.model, len(corpora.vocabulary), config.training.seed)
        model.compute_fast(not has_gpu())
        averages = make_averages(model, config.training.average_decay)
    trainer = Trainer(
        config, directory, model, precision, corpora, distribution, averages, run.audience
    )
    distribution.check_agreement({"step": trainer.step}, "go on from different checkpoints")
    if distribution.is_chief:
        jump = trainer.describe_jump(directory.load()[0].training)
        if jump:
            run.audience.say(jump)
        # Only now: whoever asked for what cannot be done finds the old settings in place.
        if trainer.measures_anew:
            directory.forget_perplexities()
        sources = {**directory.read_sources(), **fingerprint_corpora(config, corpora)}
        directory.write_config(config, corpora.vocabulary, sources)
        directory.unmark_finished()
    return _run(trainer, run)


def _prepare(run: Run) -> Corpora:
    """Opens the corpora and enters the directory, the chief first, who writes what is missing."""
    directory, config, distribution = run.directory, run.config, run.distribution
    say = run.audience.say
    if not distribution.is_chief:
        distribution.wait_for_all()
        if not directory.exists():
            raise ChatbotError(
                f"{directory.path} is not what the chief has written; put --model_dir on a file "
                "system that all workers see"
            )
    corpora = open_corpora(run)
    enter_directory(directory, config, corpora)
    if distribution.is_chief:
        directory.keep_pairs(corpora.train.pairs_file)  # an older version kept none
        if not run.cache_dir:
            parts = corpora.train, corpora.validation
            keep_only(directory.path / ENCODED, [part.directory for part in parts if part])
        _introduce(corpora.train, say)
        if config.corpus.context_turns > 1 and not corpora.train.summary["context_tokens"]:
            say(
                f"note: --context_turns={config.corpus.context_turns} adds nothing here, where no "
                "turn stands before a pair: no dialogue has more than two"
            )
        if corpora.validation is not None:
            say(f"to measure: {corpora.validation.describe()}")
        if config.corpus.validation_corpus and corpora.validation is not None:
            _warn(corpora.validation, say)
        distribution.wait_for_all()
    return corpora


def _introduce(corpus: EncodedCorpus, say: Callable[[str], None]) -> None:
    """Says what is learned, and shows enough of it for a person to see whether that is meant."""
    say(corpus.describe())
    say(show_first_pairs(corpus.summary["first_pairs"], shutil.get_terminal_size().columns))
    _warn(corpus, say)


def _warn(corpus: EncodedCorpus, say: Callable[[str], None]) -> None:
    for warning in corpus.summary["warnings"]:
        say(f"warning: {warning}")


def settle_config(directory: ModelDirectory, given: Mapping[str, Any]) -> Config:
    """Decides the settings of a training that begins or goes on.

    Args:
        directory: The model directory.
        given: {setting: value} for what the command line names.

    Returns:
        For a new directory the defaults with `given`; else the directory's own with `given`.

    Raises:
        ChatbotError: There is no corpus, it cannot be read, or `given` contradicts what the
            directory was begun with.
    """
    given = {**given, **OF_ONE_RUN}
    if not directory.exists():
        config = Config().replace(given)
        config.check_together()
        if not config.corpus.corpus:
            raise ChatbotError("there is nothing to learn from; name a corpus with --corpus=FILE")
        for corpus in filter(None, (config.corpus.corpus, config.corpus.validation_corpus)):
            options = ReadOptions(config.corpus.encoding, config.corpus.columns)
            read_pairs(corpus, config.corpus.corpus_format, options=options)  # nothing written yet
        return config
    saved, _ = directory.load()
    config = saved.replace(given)
    config.check_together()
    changed = {n: pair for n, pair in saved.diff(config).items() if not _may_change(n, pair)}
    if changed:
        listed = ", ".join(f"--{n} was {old}, now {new}" for n, (old, new) in changed.items())
        raise ChatbotError(
            f"{directory.path} was begun with other settings ({listed}); "
            "leave those flags out to go on, or name another --model_dir"
        )
    return config


def _may_change(name: str, values: tuple[Any, Any]) -> bool:
    if name == "precision":  # in float16 a checkpoint holds the scale of the losses too
        return "float16" not in values
    # A corpus may lie elsewhere; what it holds is compared once it is open.
    return name in CHANGEABLE or (name in PATHS and all(values))


def open_corpora(run: Run) -> Corpora:
    """Opens the training and the validation corpus, encoding what is not encoded yet.

    Args:
        run: What the run goes by.

    Returns:
        Both, with the vocabulary of the training corpus.

    Raises:
        ChatbotError: A corpus is missing, empty or of another format.
        Stopped: Somebody asked to stop while a corpus was encoded.
    """
    config, beside = run.config, run.directory.path.absolute().parent
    settings = EncodingConfig(
        max_length=config.corpus.max_length,
        vocab_size=config.corpus.vocab_size,
        min_count=config.corpus.min_count,
        validation_share=config.corpus.validation_share,
        seed=config.training.seed,
        context_turns=config.corpus.context_turns,
        encoding=config.corpus.encoding,
        columns=config.corpus.columns,
    )
    encode = functools.partial(
        encode_corpus,
        corpus_format=config.corpus.corpus_format,
        cache_dir=run.cache_dir or run.directory.path / ENCODED,
        progress=run.audience.is_shown,
        check=run.stop.check,
        neighbours=() if run.cache_dir else list(beside.glob(f"*/{ENCODED}")),
    )
    train, validation, vocabulary = encode(config.corpus.corpus, settings=settings)
    if config.corpus.validation_corpus:
        own = dataclasses.replace(settings, validation_share=0.0)
        validation, _, _ = encode(
            config.corpus.validation_corpus, settings=own, vocabulary=vocabulary
        )
    return Corpora(train, validation, vocabulary)


def _run(trainer: Trainer, run: Run) -> int:
    """Runs the loop, and says and notes how it ended once every worker has come to its end."""
    directory, stop, distribution = run.directory, run.stop, run.distribution
    say = run.audience.say
    writes = distribution.is_chief
    known = "" if trainer.validation is None else trainer.validation.describe()
    if writes and known:
        say(known)
    if trainer.step and writes:
        say(f"going on from step {trainer.step}")
    with stop:
        reason = trainer.run(stop)
    if reason is not None and writes:
        directory.mark_finished(trainer.step, reason)
    distribution.wait_for_all()  # so that nobody tells of success before all is written
    status = 0
    if reason is None:
        say(f"stopped at step {trainer.step}, all saved; run the same command to go on")
        status = 128 + stop.signal_number if stop.signal_number else 0
    elif writes:
        say(f"finished: {reason}; now run {command('predict')} --model_dir={directory.path}")
    if writes:
        draw_reports(run)
    return status
