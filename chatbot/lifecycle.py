"""A training's life: begun, gone on with, finished."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from chatbot.averaging import make_averages
from chatbot.checkpoint import ModelDirectory
from chatbot.config import Config, SearchConfig, TrainingConfig
from chatbot.dataset import Corpora, EncodedCorpus, EncodingConfig, encode_corpus
from chatbot.device import computing_in, has_gpu, prepare_device, resolve_precision
from chatbot.distribution import Distribution, join_others
from chatbot.errors import ChatbotError
from chatbot.first_look import show_first_pairs
from chatbot.metrics import read_reports
from chatbot.model import Seq2Seq
from chatbot.plots import draw_curves
from chatbot.stopping import StopRequest
from chatbot.training import Trainer

CHANGEABLE = {
    "num_epochs",
    "max_steps",
    "patience",
    "steps_per_checkpoint",
    "model_name",
    "max_bad_steps",
    *(item.name for item in dataclasses.fields(SearchConfig)),
}
"""Settings that may differ when a training goes on; all others would make it another training."""
OF_ONE_RUN = {"max_minutes": 0.0, "distribute": "auto"}
"""Settings that are not kept, and what stands in their place."""


def train_directory(
    model_dir: str,
    given: Mapping[str, Any],
    cache_dir: str = "",
    stop: StopRequest | None = None,
) -> int:
    """Trains a model directory, or goes on with its training.

    Args:
        model_dir: The directory.
        given: {setting: value} for what the command line names; a directory that exists already
            answers for the rest.
        cache_dir: Where encoded corpora are kept; empty means in the model directory.
        stop: Asked after every step; without it signals and `max_minutes` are heeded from now.

    Returns:
        0 when the training is finished or its minutes are over, 128 + the signal's number when it
        was stopped.

    Raises:
        ChatbotError: Something that a person can fix.
    """
    stop = stop or StopRequest(given.get("max_minutes", 0.0))
    directory = ModelDirectory(model_dir)
    cache = Path(cache_dir or directory.path / "encoded")
    device = prepare_device()  # before the workers are joined, as TensorFlow wants it
    distribution = join_others(given.get("distribute", TrainingConfig.distribute), _say)
    with _explaining(directory, distribution):
        config = settle_config(directory, given)
        done = directory.finished()
        if done is not None and directory.load()[0] == config:
            _say(f"{directory.path} is trained already ({done.get('reason')}); nothing to do")
            return 0
        precision = resolve_precision(config.training.precision)
        # Until they all agree nothing is written that one of them might still read.
        agreed = {**config.flat(), "resolved": precision, "done": done}
        distribution.check_agreement(agreed, "were started with different settings")
        if distribution.is_chief:
            _say(f"computing on {device} in {precision}{_count_replicas(distribution)}")
        with directory.lock() if distribution.is_chief else contextlib.nullcontext():
            return _train(directory, config, cache, stop, precision, distribution)


@contextlib.contextmanager
def _explaining(directory: ModelDirectory, distribution: Distribution) -> Iterator[None]:
    """Turns what goes wrong inside into one line for a person."""
    try:
        yield
    except tf.errors.ResourceExhaustedError:
        raise ChatbotError(
            "there is not enough memory; lower --batch_size, --max_length or --rnn_size"
        ) from None
    except tf.errors.OpError as error:
        reason = str(error).split("\n")[0]
        raise ChatbotError(distribution.explain(error) or _cure(directory, reason)) from None
    except OSError as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise ChatbotError(_cure(directory, reason)) from None


def _cure(directory: ModelDirectory, reason: str) -> str:
    return (
        f"{directory.path}: {reason}; mend that and run the same command to go on from the last "
        "checkpoint"
    )


def _count_replicas(distribution: Distribution) -> str:
    if distribution.strategy is None:
        return ""
    workers = "" if distribution.cluster is None else f", {distribution.cluster.describe()}"
    return f", {distribution.replicas} replicas{workers}"


def _train(
    directory: ModelDirectory,
    config: Config,
    cache_dir: Path,
    stop: StopRequest,
    precision: str,
    distribution: Distribution,
) -> int:
    if config.training.deterministic:
        tf.config.experimental.enable_op_determinism()
    corpora = _prepare(directory, config, cache_dir, distribution)
    with computing_in(precision), distribution.scope():
        model = Seq2Seq(config.model, len(corpora.vocabulary), config.training.seed)
        model.compute_fast(not has_gpu())
        averages = make_averages(model, config.training.average_decay)
    trainer = Trainer(config, directory, model, precision, corpora, distribution, averages)
    distribution.check_agreement({"step": trainer.step}, "go on from different checkpoints")
    if distribution.is_chief:
        # Only now: whoever asked for what cannot be done finds the old settings in place.
        if trainer.measures_anew:
            directory.forget_perplexities()
        directory.write_config(config, corpora.vocabulary, directory.read_sources())
        directory.unmark_finished()
    return _run(trainer, directory, stop, distribution)


def _prepare(
    directory: ModelDirectory, config: Config, cache_dir: Path, distribution: Distribution
) -> Corpora:
    """Opens the corpora and enters the directory, the chief first, who writes what is missing."""
    if not distribution.is_chief:
        distribution.wait_for_all()
        if not directory.exists():
            raise ChatbotError(
                f"{directory.path} is not what the chief has written; put --model_dir on a file "
                "system that all workers see"
            )
    corpora = open_corpora(config, cache_dir)
    _enter_directory(directory, config, corpora)
    if distribution.is_chief:
        directory.keep_pairs(corpora.train.pairs_file)  # an older version kept none
        _introduce(corpora.train)
        if config.corpus.context_turns > 1 and not corpora.train.summary["context_tokens"]:
            _say(
                f"note: --context_turns={config.corpus.context_turns} adds nothing here, where no "
                "turn stands before a pair: no dialogue has more than two"
            )
        if corpora.validation is not None:
            _say(f"to measure: {corpora.validation.describe()}")
        if config.corpus.validation_corpus and corpora.validation is not None:
            _warn(corpora.validation)
        distribution.wait_for_all()
    return corpora


def _introduce(corpus: EncodedCorpus) -> None:
    """Says what is learned, and shows enough of it for a person to see whether that is meant."""
    _say(corpus.describe())
    _say(show_first_pairs(corpus.summary["first_pairs"], shutil.get_terminal_size().columns))
    _warn(corpus)


def _warn(corpus: EncodedCorpus) -> None:
    for warning in corpus.summary["warnings"]:
        _say(f"warning: {warning}")


def settle_config(directory: ModelDirectory, given: Mapping[str, Any]) -> Config:
    """Decides the settings of a training that begins or goes on.

    Args:
        directory: The model directory.
        given: {setting: value} for what the command line names.

    Returns:
        For a new directory the defaults with `given`; else the directory's own with `given`.

    Raises:
        ChatbotError: There is no corpus, or `given` contradicts what the directory was begun with.
    """
    given = {**given, **OF_ONE_RUN}
    if not directory.exists():
        config = Config().replace(given)
        config.check_together()
        if not config.corpus.corpus:
            raise ChatbotError("there is nothing to learn from; name a corpus with --corpus=FILE")
        return config
    saved, _ = directory.load()
    config = saved.replace(given)
    config.check_together()
    changed = {n: pair for n, pair in saved.diff(config).items() if n not in CHANGEABLE}
    if changed:
        listed = ", ".join(f"--{n} was {old}, now {new}" for n, (old, new) in changed.items())
        raise ChatbotError(
            f"{directory.path} was begun with other settings ({listed}); "
            "leave those flags out to go on, or name another --model_dir"
        )
    return config


def open_corpora(config: Config, cache_dir: Path) -> Corpora:
    """Opens the training and the validation corpus, encoding what is not encoded yet.

    Args:
        config: All settings.
        cache_dir: Where encoded corpora are kept.

    Returns:
        Both, with the vocabulary of the training corpus.

    Raises:
        ChatbotError: A corpus is missing, empty or of another format.
    """
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
    source, form = config.corpus.corpus, config.corpus.corpus_format
    train, validation, vocabulary = encode_corpus(source, form, cache_dir, settings)
    if config.corpus.validation_corpus:
        own = dataclasses.replace(settings, validation_share=0.0)
        validation, _, _ = encode_corpus(
            config.corpus.validation_corpus, form, cache_dir, own, vocabulary
        )
    return Corpora(train, validation, vocabulary)


def _enter_directory(directory: ModelDirectory, config: Config, corpora: Corpora) -> None:
    """Writes the description of a new training, or checks that the corpora are still the same."""
    paths = {
        "corpus": config.corpus.corpus,
        "validation_corpus": config.corpus.validation_corpus,
    }
    parts = {"corpus": corpora.train, "validation_corpus": corpora.validation}
    sources = {name: part.source for name, part in parts.items() if paths[name] and part}
    vocabulary = corpora.vocabulary
    if not directory.exists():
        directory.create(config, vocabulary, sources, corpora.train.pairs_file)
        return
    _, saved = directory.load()
    begun_with = directory.read_sources()
    for name, source in sources.items():
        if begun_with.get(name) != source or saved.digest != vocabulary.digest:
            raise ChatbotError(
                f"{paths[name]} has changed since {directory.path} was begun; restore it, or name "
                "another --model_dir"
            )


def _run(
    trainer: Trainer, directory: ModelDirectory, stop: StopRequest, distribution: Distribution
) -> int:
    """Runs the loop, and says and notes how it ended once every worker has come to its end."""
    writes = distribution.is_chief
    known = "" if trainer.validation is None else trainer.validation.describe()
    if writes and known:
        _say(known)
    if trainer.step and writes:
        _say(f"going on from step {trainer.step}")
    with stop:
        reason = trainer.run(stop)
    if reason is not None and writes:
        directory.mark_finished(trainer.step, reason)
    distribution.wait_for_all()  # so that nobody tells of success before all is written
    status = 0
    if reason is None:
        _say(f"stopped at step {trainer.step}, all saved; run the same command to go on")
        status = 128 + stop.signal_number if stop.signal_number else 0
    elif writes:
        _say(f"finished: {reason}; now run python predict.py --model_dir={directory.path}")
    if writes:
        _draw_curves(directory, stop)
    return status


def _draw_curves(directory: ModelDirectory, stop: StopRequest) -> None:
    """Draws the reports beside them; where that fails, or somebody is impatient, it says so."""
    path = directory.path / "curves.png"
    try:
        with stop:
            reports = read_reports(directory.metrics_path)
            if reports:
                draw_curves(str(path), reports)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - all that matters is saved
        reason = str(error).split("\n")[0] or type(error).__name__
        _say(f"the training's curves were not drawn ({reason})")


def _say(message: str) -> None:
    with contextlib.suppress(OSError):  # nobody may be there to read it any more
        print(message, file=sys.stderr, flush=True)
