"""JSON that strangers send, and JSON for them."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MOST_DIGITS = 400
"""Digits of a whole number, at most: what is longer no float holds, and Python may refuse."""


def parse_json(content: bytes) -> Any:
    """Parses strict JSON in UTF-8.

    Raises:
        ValueError: It is none: it is nested too deeply, or has a number that is not finite.
    """
    try:
        return json.loads(
            content.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_parse_float,
            parse_int=_parse_int,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos}") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None


def write_json(value: Any) -> bytes:
    """Writes a value as JSON in UTF-8; a lone surrogate becomes a question mark.

    Raises:
        ValueError: A number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _parse_int(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError("a number is too large")
    return int(text)


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number
