"""Which networks the library's classes have a form for."""

from __future__ import annotations

from chatbot.settings.config import ModelConfig

SCORES = (
    *("luong", "scaled_luong", "bahdanau", "normed_bahdanau"),
    *("monotonic", "luong_monotonic"),
)
"""What `--attention` may be."""


def find_missing_form(config: ModelConfig) -> str | None:
    """Names the setting of a network that the library has no form for, or returns None."""
    if config.use_attention and config.attention not in SCORES:
        return f"--attention={config.attention}"
    if config.cell != "lstm":
        return f"--cell={config.cell}"
    if config.pointer_generator:
        return "--pointer_generator"
    return "--layer_norm" if config.layer_norm else None
