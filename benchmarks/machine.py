"""What the machine can do, and how the benchmarks print what they found."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from chatbot.system.terminal import write_output

PRODUCT = 2048
"""Rows and columns of the matrices whose product is the machine's limit."""
OPENBLAS = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_DEFAULT_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OMP_NUM_THREADS",
)
"""Variables of the environment that choose how OpenBLAS multiplies, and on how many cores."""


def time_calls(call: Callable[[], Any], repeats: int) -> float:
    """Times a call that waits for its result, after a first one: the median, in seconds."""
    return time_in_turns({"": call}, repeats)[""]


def time_in_turns(calls: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Times calls that wait for their results, so that all have the machine at its best and worst.

    Args:
        calls: What to time; each is called once before.
        repeats: Timed calls of each.

    Returns:
        {name: the median, in seconds}.
    """
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def measure_products(precision: str, repeats: int = 15) -> dict[str, float]:
    """Measures a square matrix product in TensorFlow and, in float32, in NumPy.

    Either may be the faster on a processor: NumPy brings another library, OpenBLAS, which knows
    products of single precision and no shorter ones.

    Args:
        precision: "float32", "bfloat16" or "float16".
        repeats: Timed products of each.

    Returns:
        {library: operations a second}, a multiplication and an addition counting as two.
    """
    matrix = tf.random.stateless_normal([PRODUCT, PRODUCT], [1, 2])
    left = tf.cast(matrix, precision)
    product = tf.function(lambda: tf.matmul(left, left))
    seconds = {"tensorflow": time_calls(lambda: product()[0, 0].numpy(), repeats)}
    if precision == "float32":
        array, result = matrix.numpy(), np.empty([PRODUCT, PRODUCT], np.float32)
        seconds["numpy"] = time_calls(lambda: np.matmul(array, array, out=result), repeats)
    return {library: 2 * PRODUCT**3 / taken for library, taken in seconds.items()}


def describe_products(*measured: Mapping[str, float]) -> dict[str, Any]:
    """Says what the machine multiplies: the rate that shares and targets refer to, and all others.

    Args:
        measured: What `measure_products` returned at different times of one run.

    Returns:
        {figure: GFLOP/s}: `product_gigaflops`, the best library's, and each library's, the mean of
        its measurements; and, as a text, what the environment tells NumPy's library to do.
    """
    means = {name: statistics.mean(rates[name] for rates in measured) / 1e9 for name in measured[0]}
    figures: dict[str, Any] = {"product_gigaflops": max(means.values())}
    figures.update({f"{name}_gigaflops": rate for name, rate in means.items()})
    told = [f"{name}={os.environ[name]}" for name in OPENBLAS if name in os.environ]
    return {**figures, "openblas": " ".join(told)} if told and "numpy" in means else figures


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
