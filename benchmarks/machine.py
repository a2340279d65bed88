"""What the machine can do, and how the benchmarks print what they found."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from chatbot.terminal import write_output

PRODUCT = 2048
"""Rows and columns of the matrices whose product is the machine's limit."""


def time_calls(call: Callable[[], Any], repeats: int) -> float:
    """Times a call that waits for its result.

    Args:
        call: What to time; it is called once before.
        repeats: Timed calls.

    Returns:
        The median, in seconds.
    """
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure_product_rate(precision: str, repeats: int = 15) -> float:
    """Measures a square matrix product.

    Args:
        precision: "float32", "bfloat16" or "float16".
        repeats: Timed products.

    Returns:
        Operations a second, a multiplication and an addition counting as two.
    """
    matrix = tf.cast(tf.random.stateless_normal([PRODUCT, PRODUCT], [1, 2]), precision)
    product = tf.function(lambda: tf.matmul(matrix, matrix))
    return 2 * PRODUCT**3 / time_calls(lambda: product()[0, 0].numpy(), repeats)


def report(title: str, figures: Mapping[str, Any], as_json: bool) -> None:
    """Prints figures as a table and, if asked, as one JSON object on the last line.

    Args:
        title: First line of the table.
        figures: {name: value}.
        as_json: Whether to print the JSON object.
    """
    width = max(map(len, figures))
    lines = [title]
    for name, value in figures.items():
        shown = f"{value:,.3f}" if isinstance(value, float) else f"{value}"
        lines.append(f"  {name:<{width}}  {shown}")
    if as_json:
        lines.append(json.dumps(dict(figures)))
    write_output("\n".join(lines) + "\n")
