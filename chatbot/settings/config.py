"""Every setting of the project, as frozen dataclasses that check themselves and travel as JSON.

`sections` has the settings themselves. `flags` turns their fields into command line flags;
`checkpoint` writes them beside the weights.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from chatbot.errors import ChatbotError
from chatbot.settings.fields import Settings
from chatbot.settings.search import PLAIN, SearchConfig
from chatbot.settings.sections import CorpusConfig, ModelConfig, TrainingConfig

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
        """Returns the settings as a JSON object of one object a section."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str = "config.json") -> Config:
        """Builds settings back from what `to_dict` gave.

        Args:
            values: One object a section; a missing key, being newer, takes the value that changes
                nothing, which is its default if `setting` names no other.
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
        """Checks what no single setting can tell.

        Raises:
            ChatbotError: Two settings contradict each other.
        """
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
        if not re.fullmatch(r"[\w-][\w.-]*", self.training.model_name):
            raise ChatbotError(
                f"--model_name={self.training.model_name} cannot begin a file's name; "
                "use letters, digits, - and _"
            )

    def replace(self, changes: Mapping[str, Any]) -> Config:
        """Returns a copy with some settings changed, each named as its flag is.

        Raises:
            ChatbotError: A value does not fit.
        """
        sections: dict[str, Any] = {}
        for name, kind in SECTIONS.items():
            own = {item.name: changes[item.name] for item in fields(kind) if item.name in changes}
            sections[name] = dataclasses.replace(getattr(self, name), **own)
        return Config(**sections)

    def diff(self, other: Config) -> dict[str, tuple[Any, Any]]:
        """Returns {setting: (here, there)} for every setting that differs."""
        mine, theirs = self.flat(), other.flat()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}

    def flat(self) -> dict[str, Any]:
        """Returns {setting: value} over all sections; no name stands in two."""
        return {
            name: value for section in self.to_dict().values() for name, value in section.items()
        }


_NEWER = "the model directory was written by another version, use that one or train again"


def _section_from_dict(kind: type[Section], values: Any, source: str) -> Section:
    """Builds one section, refusing keys it does not have."""
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
