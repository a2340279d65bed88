"""The description of the interface, in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from chatbot import __version__


def describe_interface() -> dict[str, Any]:
    """Returns the description."""
    return {"openapi": "3.1.0", "info": {"title": "chatbot", "version": __version__}, "paths": {}}
