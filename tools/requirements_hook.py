"""Tells the build backend what the package needs, which the requirements files alone say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

EXTRAS = {
    "examples": "requirements-examples.txt",
    "gpu": "requirements-gpu.txt",
    "serve": "requirements-serve.txt",
    "test": "requirements-dev.txt",
}


class RequirementsHook(MetadataHookInterface):
    """Fills in `dependencies` and `optional-dependencies`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Adds them to the metadata of pyproject.toml."""
        root = Path(self.root)
        metadata["dependencies"] = read_requirements(root / "requirements.txt")
        metadata["optional-dependencies"] = {
            extra: read_requirements(root / name) for extra, name in EXTRAS.items()
        }


def read_requirements(path: Path) -> list[str]:
    """Returns the packages that a file names itself, without those of files that it names."""
    lines = [line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("-")]
