"""Groups of settings that check themselves, declared once for flags and files."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from chatbot.errors import ChatbotError
from chatbot.system.paths import local_path

Own = TypeVar("Own", bound="Settings")


def setting(
    default: Any,
    description: str,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] | None = None,
    *,
    is_path: bool = False,
    absent: Any = None,
) -> Any:
    """Declares one setting as a dataclass field.

    Args:
        default: Its type is the setting's type.
        description: The text for `--help`.
        low: Smallest number allowed, or None.
        high: Largest number allowed, or None.
        choices: The strings allowed, or None.
        is_path: Whether `local_path` expands it.
        absent: Its value in a `config.json` that is older than the setting; None means the default.
    """
    limits = {"help": description, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata={**limits, "is_path": is_path, "absent": absent})


@dataclass(frozen=True)
class Settings:
    """A group of settings; a value of the wrong type or out of its range raises `ChatbotError`."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = make_plain(getattr(self, item.name))
            check_value(item, value)
            if item.metadata.get("is_path"):
                value = _write_out(item.name, value)
            object.__setattr__(self, item.name, value)

    def change(self: Own, changes: Mapping[str, Any]) -> Own:
        """Returns a copy with some settings changed; `ChatbotError` where a value does not fit."""
        return dataclasses.replace(self, **changes)


def _write_out(name: str, path: str) -> str:
    try:
        return local_path(path)
    except ChatbotError as error:
        raise ChatbotError(f"--{name}={error}") from None


def make_plain(value: Any) -> Any:
    """Turns a bool, int or float of another library, such as NumPy, into Python's own for JSON."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()  # NumPy's truth values and arrays of one number are no numbers
    for kind, plain in ((bool, bool), (numbers.Integral, int), (numbers.Real, float)):
        if isinstance(value, kind):
            return plain(value)
    return value


def check_value(item: dataclasses.Field[Any], value: Any) -> None:
    """Raises `ChatbotError`, saying what would fit, where a value does not fit its field."""
    kind = type(item.default)
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise ChatbotError(f"--{item.name}={value!r} is not {_article(kind)}; give one")
    choices, low, high = (item.metadata.get(key) for key in ("choices", "low", "high"))
    if choices is not None and value not in choices:
        raise ChatbotError(
            f"--{item.name}={value!r} is unknown; choose one of {', '.join(choices)}"
        )
    if kind in (int, float):
        if isinstance(value, float) and not math.isfinite(value):
            raise ChatbotError(f"--{item.name}={value} is not a finite number; give one")
        if (low is not None and value < low) or (high is not None and value > high):
            raise ChatbotError(f"--{item.name}={value} is out of range; {_range(low, high)}")


def parse_value(item: dataclasses.Field[Any], text: str) -> Any:
    """Parses a value as people type it.

    Args:
        item: The field of the setting.
        text: The value; a switch is true or false, on or off, yes or no, 1 or 0.

    Returns:
        The value, of the field's type; its range is not checked.

    Raises:
        ChatbotError: The text is not of that type.
    """
    kind: Any = type(item.default)
    try:
        if not text.isascii():
            raise ValueError
        return _SWITCHES[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise ChatbotError(f"{item.name}={text} is not {_article(kind)}; give one") from None


_SWITCHES = {
    **dict.fromkeys(("true", "on", "yes", "1"), True),
    **dict.fromkeys(("false", "off", "no", "0"), False),
}


def _article(kind: type[Any]) -> str:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return names[kind]


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f"it must be at least {low}"
    return f"it must lie between {low} and {high}"
