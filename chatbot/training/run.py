"""A training from its beginning, or its last checkpoint, to its end."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from chatbot.dataset import Corpora
from chatbot.engines import onnx
from chatbot.engines.choice import choose_engine
from chatbot.engines.graphs import make_graphs
from chatbot.errors import ChatbotError
from chatbot.lite.forms import find_missing_form
from chatbot.network.device import leave_products_whole, prepare_device, resolve_precision
from chatbot.network.reply_words import ReplyWords
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import TrainingConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.command import command
from chatbot.system.stopping import Stopped, StopRequest, deferring_signals
from chatbot.training.audience import Audience
from chatbot.training.averages import make_averages
from chatbot.training.corpora import prepare_corpora
from chatbot.training.distribution import Distribution, join_others
from chatbot.training.embeddings import load_embeddings
from chatbot.training.job import Job, draw_reports, explaining
from chatbot.training.origins import are_same, fingerprint_corpora, settle_config
from chatbot.training.trainer import Trainer


def train_directory(
    model_dir: str,
    given: Mapping[str, Any],
    cache_dir: str = "",
    stop: StopRequest | None = None,
    audience: Audience = Audience(),  # noqa: B008 - it is frozen
    alone: bool = False,
) -> int:
    """Trains a model directory, or resumes its training.

    Args:
        model_dir: The directory.
        given: {setting: value} for what the command line names; a directory that exists already
            answers for the rest.
        cache_dir: Where all encoded corpora are kept; empty means in the model directory, which
            keeps only those that it needs.
        stop: Asked after every step; without it, signals and `max_minutes` end the training.
        audience: Who hears of it.
        alone: Whether the process is there for this training alone, which may set its threads.

    Returns:
        0 when the training is finished or its minutes are over, 128 + the signal's number when it
        was stopped.

    Raises:
        ChatbotError: Something that a person can fix.
    """
    stop = stop or StopRequest(given.get("max_minutes", 0.0))
    directory = ModelDirectory(model_dir)
    device = prepare_device()  # before the workers are joined, as TensorFlow wants it
    asked = given.get("engine", TrainingConfig.engine)
    choose_engine(asked)  # says what is wrong before the workers are joined
    setting = given.get("distribute", TrainingConfig.distribute)
    distribution = join_others(setting, audience.say)
    with explaining(directory, distribution):
        config = settle_config(directory, given)
        done = directory.finished()
        if done is not None and are_same(directory, config):
            reason = done.get("reason")
            audience.say(f"{directory.path} is trained already ({reason}); nothing to do")
            return 0
        engine = choose_engine(asked, config.model)
        precision = resolve_precision(config.training.precision)
        # Until they all agree nothing is written that one of them might still read.
        agreed = {**config.flat(), "resolved": precision, "done": done}
        distribution.check_agreement(agreed, "were started with different settings")
        if distribution.is_chief:
            audience.say(
                f"computing on {device} in {precision} by {engine.title}"
                f"{_count_replicas(distribution)}"
            )
        job = Job(directory, config, cache_dir, stop, audience, distribution, engine)
        with directory.lock() if distribution.is_chief else contextlib.nullcontext():
            return _train(job, precision, alone)


def _count_replicas(distribution: Distribution) -> str:
    if distribution.replicas == 1 and distribution.cluster is None:
        return ""
    workers = "" if distribution.cluster is None else f", {distribution.cluster.describe()}"
    return f", {distribution.replicas} replicas{workers}"


def _train(job: Job, precision: str, alone: bool) -> int:
    if job.config.training.deterministic:
        tf.config.experimental.enable_op_determinism()
    try:
        corpora = prepare_corpora(job)
    except Stopped:
        if job.stop.signal_number is not None:
            raise
        job.audience.say(
            "stopped while the corpus was encoded, of which nothing is kept; run the same command "
            "to begin again, with more minutes if they are too few"
        )
        return 0
    reply_words = _find_reply_words(job, corpora)
    if alone:
        words = len(corpora.vocabulary if reply_words is None else reply_words.ids)
        leave_products_whole(job.config.model.rnn_size, words)
    with deferring_signals():
        trainer = _make_trainer(job, corpora, precision, reply_words)
    job.distribution.check_agreement({"step": trainer.step}, "go on from different checkpoints")
    if job.distribution.is_chief:
        _note_beginning(job, corpora, trainer)
    return _run_to_the_end(trainer, job, len(corpora.vocabulary))


def _find_reply_words(job: Job, corpora: Corpora) -> ReplyWords | None:
    """Finds the words of the replies, where the model is to learn these alone."""
    if not job.config.training.reply_vocabulary:
        return None
    return ReplyWords(corpora.train.count_reply_words(len(corpora.vocabulary)))


def _make_trainer(
    job: Job, corpora: Corpora, precision: str, reply_words: ReplyWords | None
) -> Trainer:
    with job.distribution.scope():
        sizes = job.config.model, len(corpora.vocabulary)
        model = Seq2Seq(*sizes, job.config.training.seed, precision)
        model.engine = job.engine
        embeddings = job.config.training.embeddings
        if embeddings and job.directory.newest() is None:
            said = load_embeddings(model, embeddings, corpora.vocabulary)
            if job.distribution.is_chief:
                job.audience.say(said)
        model.reply_words = reply_words
        if reply_words is not None and job.directory.newest() is None:
            reply_words.silence_others(model.projection)
        averages = make_averages(model, job.config.training.average_decay)
    return Trainer(job, corpora, model, averages, precision)


def _note_beginning(job: Job, corpora: Corpora, trainer: Trainer) -> None:
    """Writes the settings that hold from now on, and says how the step size jumps."""
    directory, config = job.directory, job.config
    jump = trainer.describe_jump(directory.load()[0].training)
    if jump:
        job.audience.say(jump)
    # Only now: whoever asked for what cannot be done finds the old settings in place.
    if trainer.measures_anew:
        directory.forget_perplexities()
    sources = {**directory.read_sources(), **fingerprint_corpora(config, corpora)}
    directory.write_config(config, corpora.vocabulary, sources)
    directory.unmark_finished()


def _run_to_the_end(trainer: Trainer, job: Job, vocab_size: int) -> int:
    """Runs the loop, waits for every worker, and says and notes how it ended."""
    directory, stop, distribution = job.directory, job.stop, job.distribution
    say = job.audience.say
    writes = distribution.is_chief
    known = "" if trainer.validation is None else trainer.validation.describe()
    if writes and known:
        say(known)
    if trainer.step and writes:
        say(f"going on from step {trainer.step}")
    with stop:
        reason = trainer.run(stop)
    if reason is not None and writes:
        _write_graphs(job, vocab_size)
        directory.mark_finished(trainer.step, reason)
    distribution.wait_for_all()  # so that nobody reports success before all is written
    status = 0
    if reason is None:
        say(f"stopped at step {trainer.step}, all saved; run the same command to go on")
        status = 128 + stop.signal_number if stop.signal_number else 0
    elif writes:
        place = shlex.quote(str(directory.path))
        say(f"finished: {reason}; now run {command('predict')} --model_dir={place}")
    if writes:
        draw_reports(job)
    return status


def _write_graphs(job: Job, vocab_size: int) -> None:
    """Writes the best checkpoint as the graphs that predict starts with, where that is possible."""
    if not onnx.is_installed() or find_missing_form(job.config.model) is not None:
        return
    training = job.config.training
    precision = onnx.choose_precision(training.precision, training.reply_precision)
    try:
        best = job.directory.require_best()
        make_graphs(job.directory, job.config, vocab_size, precision, best, job.audience.say)
    except ChatbotError as error:
        job.audience.say(str(error))
