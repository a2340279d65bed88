"""Every setting of the project, as frozen dataclasses that check themselves and travel as JSON.

`corpus`, `model`, `training` and `search` have the settings. `programs.flags` turns their fields
into command line flags; `storage.model_directory` writes them beside the weights.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from chatbot.errors import ChatbotError
from chatbot.settings.corpus import CorpusConfig
from chatbot.settings.fields import Settings
from chatbot.settings.model import ModelConfig
from chatbot.settings.search import PLAIN, SearchConfig
from chatbot.settings.training import TrainingConfig

__all__ = [
    "FORMAT",
    "PLAIN",
    "SECTIONS",
    "Config",
    "CorpusConfig",
    "ModelConfig",
    "SearchConfig",
    "TrainingConfig",
]

FORMAT = 1
"""Number of the model directory's format; a later format is refused, never guessed at."""

Section = TypeVar("Section", bound="Settings")


SECTIONS: dict[str, type[Settings]] = {
    "corpus": CorpusConfig,
    "model": ModelConfig,
    "training": TrainingConfig,
    "search": SearchConfig,
}


@dataclass(frozen=True)
class Config:
    """All settings of one model directory."""

    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    search: SearchConfig = field(default_factory=SearchConfig)

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings as a JSON object with an object for each section."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str = "config.json") -> Config:
        """Rebuilds settings from what `to_dict` returned.

        Args:
            values: An object for each section. A key that is missing is newer than the file; it
                takes its `absent` value, or its default.
            source: Name of the file for messages.

        Raises:
            ChatbotError: A section or key is unknown, or a value does not fit.
        """
        unknown = sorted(set(values) - set(SECTIONS))
        if unknown:
            raise ChatbotError(f"{source}: unknown section {unknown[0]!r}; {_NEWER}")
        sections = {
            name: _section_from_dict(kind, values.get(name, {}), f"{source}: {name}")
            for name, kind in SECTIONS.items()
        }
        return cls(**sections)  # type: ignore[arg-type]

    def check_together(self) -> None:
        """Raises `ChatbotError` where two settings contradict each other."""
        self.search.check_together()
        measured = self.corpus.validation_corpus or self.corpus.validation_share
        if self.corpus.validation_corpus and self.corpus.validation_share:
            raise ChatbotError(
                "--validation_corpus and --validation_share both say what to measure; give one"
            )
        if self.training.patience and not measured:
            raise ChatbotError(
                "--patience waits for a better validation perplexity, but none is measured; "
                "give --validation_share or --validation_corpus"
            )
        if self.training.random_context and self.corpus.context_turns == 1:
            raise ChatbotError(
                "--random_context puts turns before a query, but --context_turns=1 reads none; "
                "raise it"
            )
        if self.training.subword_sampling and self.corpus.subwords == "none":
            raise ChatbotError(
                "--subword_sampling cuts words into pieces, but they are whole; give "
                "--subwords=bpe or unigram"
            )
        self._check_reply_vocabulary()
        has_coverage = self.model.use_attention and self.model.attention == "coverage"
        if self.training.coverage_loss and not has_coverage:
            raise ChatbotError("--coverage_loss needs --attention=coverage; give both or neither")
        if self.model.freeze_embeddings and not self.training.embeddings:
            raise ChatbotError("--freeze_embeddings keeps the vectors of --embeddings; name a file")
        if not re.fullmatch(r"[\w-][\w.-]*", self.training.model_name):
            raise ChatbotError(
                f"--model_name={self.training.model_name} cannot begin a file's name; "
                "use letters, digits, - and _"
            )

    def _check_reply_vocabulary(self) -> None:
        """Raises `ChatbotError` where `reply_vocabulary` cannot say which words there are."""
        if not self.training.reply_vocabulary:
            return
        if self.model.tie_embeddings:
            raise ChatbotError(
                "--reply_vocabulary gives up words to write, but --tie_embeddings writes with the "
                "vectors of all words read; give one of them"
            )
        if self.training.subword_sampling and self.training.subword_sampling_side != "query":
            raise ChatbotError(
                "--reply_vocabulary needs the same pieces of a reply in every epoch; give "
                "--subword_sampling_side=query, or --subword_sampling=0"
            )

    def fit_search(self, search: SearchConfig) -> SearchConfig:
        """Fits a search to the network; with pieces of words there is nothing to replace.

        Raises:
            ChatbotError: It needs attention, which the network does not have.
        """
        for name in ("coverage_penalty", "replace_unk"):
            if getattr(search, name) and not self.model.use_attention:
                raise ChatbotError(f"--{name} needs attention, which this model has not")
        has_unknown = self.corpus.subwords == "none"
        return search if has_unknown else dataclasses.replace(search, replace_unk=False)

    def replace(self, changes: Mapping[str, Any]) -> Config:
        """Returns a copy with some settings changed; `ChatbotError` where a value does not fit."""
        sections: dict[str, Any] = {}
        for name, kind in SECTIONS.items():
            own = {item.name: changes[item.name] for item in fields(kind) if item.name in changes}
            sections[name] = getattr(self, name).change(own)
        return Config(**sections)

    def diff(self, other: Config) -> dict[str, tuple[Any, Any]]:
        """Returns {setting: (here, there)} for every setting that differs."""
        mine, theirs = self.flat(), other.flat()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}

    def flat(self) -> dict[str, Any]:
        """Returns {setting: value} over all sections, which share no name."""
        return {
            name: value for section in self.to_dict().values() for name, value in section.items()
        }


_NEWER = "the model directory was written by another version, use that one or train again"


def _section_from_dict(kind: type[Section], values: Any, source: str) -> Section:
    """Builds one section; keys that it does not have are refused."""
    if not isinstance(values, Mapping):
        raise ChatbotError(f"{source} is not an object; restore the file or train again")
    unknown = sorted(set(values) - {item.name for item in fields(kind)})
    if unknown:
        raise ChatbotError(f"{source}: unknown setting {unknown[0]!r}; {_NEWER}")
    absent = {item.name: item.metadata["absent"] for item in fields(kind)}
    older = {name: value for name, value in absent.items() if value is not None}
    try:
        return kind(**{**older, **values})
    except ChatbotError as error:
        raise ChatbotError(f"{source}: {error}") from None
