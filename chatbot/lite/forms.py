"""Which networks the ONNX graphs have a form for."""

from __future__ import annotations

from chatbot.errors import OnnxError
from chatbot.settings.config import ModelConfig

SCORES = (
    *("luong", "scaled_luong", "dot", "scaled_dot", "cosine"),
    *("bahdanau", "normed_bahdanau", "concat", "multi_head"),
)
"""What `--attention` may be."""


def find_missing_form(config: ModelConfig) -> str | None:
    """Names the setting of a network that the graphs have no form for, or returns None."""
    if config.use_attention and config.attention not in SCORES:
        return f"--attention={config.attention}"
    if config.layer_norm:
        return "--layer_norm"
    if config.pointer_generator:
        return "--pointer_generator"
    return "--self_attention" if config.self_attention else None


def require_form(config: ModelConfig) -> None:
    """Raises `OnnxError` where the graphs have no form for a network."""
    missing = find_missing_form(config)
    if missing is not None:
        raise OnnxError(f"ONNX graphs have no {missing}")
