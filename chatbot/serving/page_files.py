"""The files of the page, read once: no path of a request is ever joined."""

from __future__ import annotations

from importlib import resources
from typing import NamedTuple

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
"""{suffix: content type} of the files that are served."""


class PageFile(NamedTuple):
    """A file of the page."""

    content: bytes
    content_type: str


def read_page() -> dict[str, PageFile]:
    """Returns {name: file}; it is empty where there is no page."""
    folder = resources.files("chatbot.serving") / "page"
    if not folder.is_dir():
        return {}
    return {
        file.name: PageFile(file.read_bytes(), content_type)
        for file in folder.iterdir()
        for suffix, content_type in TYPES.items()
        if file.name.endswith(suffix)
    }
