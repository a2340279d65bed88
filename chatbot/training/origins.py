"""The corpora that a training was begun with: known again by their content, wherever they lie."""

from __future__ import annotations

from chatbot.corpus import fingerprint
from chatbot.dataset import Corpora, EncodedCorpus
from chatbot.errors import ChatbotError
from chatbot.settings.config import Config
from chatbot.storage.model_directory import PAIRS, ModelDirectory
from chatbot.system.files import hash_file

CORPUS, VALIDATION_CORPUS = "corpus", "validation_corpus"
PATHS = {CORPUS, VALIDATION_CORPUS}
"""The settings that name a corpus."""


def enter_directory(directory: ModelDirectory, config: Config, corpora: Corpora) -> None:
    """Writes the description of a new training, or checks that the corpora are still the same.

    Args:
        directory: The model directory.
        config: The settings, with where the corpora are now.
        corpora: The same corpora, encoded.

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
            raise ChatbotError(
                f"{path} has changed since {directory.path} was begun with "
                f"{begun_with.flat()[name]}, or is read differently by this version; restore it, "
                "or name another --model_dir"
            )


def are_same(directory: ModelDirectory, config: Config) -> bool:
    """Says whether settings are a directory's own, except for where the same corpora lie.

    Args:
        directory: The model directory, begun.
        config: The settings.

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
