"""What a training was begun with: settings, and corpora that are known again by their content."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from chatbot.corpus import fingerprint, read_pairs
from chatbot.corpus.word_vectors import check_vectors
from chatbot.dataset import Corpora, EncodedCorpus
from chatbot.errors import ChatbotError
from chatbot.settings.config import Config, SearchConfig
from chatbot.settings.read_options import ReadOptions
from chatbot.storage.model_directory import PAIRS, ModelDirectory
from chatbot.system.files import hash_file

CORPUS, VALIDATION_CORPUS = "corpus", "validation_corpus"
PATHS = {CORPUS, VALIDATION_CORPUS}
"""The settings that name a corpus."""
CHANGEABLE = {
    "num_epochs",
    "max_steps",
    "patience",
    "steps_per_checkpoint",
    "model_name",
    "max_bad_steps",
    "reply_precision",
    *(item.name for item in dataclasses.fields(SearchConfig)),
}
"""Settings that may always differ when a training is resumed; most others would change it."""
OF_ONE_RUN = {"max_minutes": 0.0, "distribute": "auto", "engine": "auto"}
"""Settings that are not kept, and what is written in their place."""


def settle_config(directory: ModelDirectory, given: Mapping[str, Any]) -> Config:
    """Returns the settings of a training: the directory's own, or the defaults, with `given`.

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
        if config.training.embeddings:
            check_vectors(config.training.embeddings, config.model.embedding_size)
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


def enter_directory(directory: ModelDirectory, config: Config, corpora: Corpora) -> None:
    """Writes the description of a new training, or checks that the corpora are still the same.

    Raises:
        ChatbotError: One of them is not what the training was begun with.
    """
    if not directory.exists():
        sources = fingerprint_corpora(config, corpora)
        directory.create(config, corpora.vocabulary, sources, corpora.train.pairs_file)
        return
    begun_with, vocabulary = directory.load()
    same_words = vocabulary.digest == corpora.vocabulary.digest
    for name, (path, part) in _list_corpora(config, corpora).items():
        if not same_words or not _is_same(directory, config, name, path, part):
            known = begun_with.flat()[name]
            if os.path.realpath(known) != os.path.realpath(path):
                raise ChatbotError(
                    f"{path} is not what {directory.path} was begun with, which is {known}; name "
                    "another --model_dir"
                )
            raise ChatbotError(
                f"{path} has changed since {directory.path} was begun with it, or is read "
                "differently by this version; restore it, or name another --model_dir"
            )


def are_same(directory: ModelDirectory, config: Config) -> bool:
    """Tells whether settings are a directory's own, except for where the same corpora lie.

    Raises:
        ChatbotError: A corpus that lies elsewhere cannot be read.
    """
    saved, _ = directory.load()
    begun_with = directory.read_sources()
    old, new = ({name: getattr(of.corpus, name) for name in PATHS} for of in (saved, config))
    return saved.replace(new) == config and all(
        new[name] == old[name] or begun_with.get(name) == fingerprint(new[name]) for name in PATHS
    )


def fingerprint_corpora(config: Config, corpora: Corpora) -> dict[str, str]:
    """Returns {setting: fingerprint} of the corpora that a training learns from and measures."""
    return {name: part.source for name, (_, part) in _list_corpora(config, corpora).items()}


def _list_corpora(config: Config, corpora: Corpora) -> dict[str, tuple[str, EncodedCorpus]]:
    found = {CORPUS: (config.corpus.corpus, corpora.train)}
    if config.corpus.validation_corpus and corpora.validation is not None:
        found[VALIDATION_CORPUS] = config.corpus.validation_corpus, corpora.validation
    return found


def _is_same(
    directory: ModelDirectory, config: Config, name: str, path: str, part: EncodedCorpus
) -> bool:
    begun_with = directory.read_sources()
    if name == CORPUS and PAIRS in begun_with:
        if begun_with[PAIRS] != hash_file(part.pairs_file):
            return False
        if config.corpus.context_turns == 1:
            return True  # in whichever files they are: there is nothing else that is learned
    return begun_with.get(name) in (part.source, fingerprint(path, as_once=True))
