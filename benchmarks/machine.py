"""What the machine can do, and how the benchmarks print what they found."""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from chatbot.system.terminal import write_output

PRODUCT = 2048
"""Rows and columns of the matrices whose product is the machine's limit."""
MEGABYTES = 256
"""Of the array that is read to measure the memory: several times a processor's cache."""
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
    import tensorflow as tf

    matrix = tf.random.stateless_normal([PRODUCT, PRODUCT], [1, 2])
    left = tf.cast(matrix, precision)
    product = tf.function(lambda: tf.matmul(left, left))
    seconds = {"tensorflow": time_calls(lambda: product()[0, 0].numpy(), repeats)}
    if precision == "float32":
        array, result = matrix.numpy(), np.empty([PRODUCT, PRODUCT], np.float32)
        seconds["numpy"] = time_calls(lambda: np.matmul(array, array, out=result), repeats)
    return {library: 2 * PRODUCT**3 / taken for library, taken in seconds.items()}


def measure_int8_products(repeats: int = 15) -> float:
    """Measures the same product of uint8 by int8, added up in int32, in onnxruntime.

    Args:
        repeats: Timed products.

    Returns:
        Operations a second, counted as in `measure_products`.
    """
    import onnxruntime

    from chatbot.lite.nodes import Nodes, describe, write_model

    nodes, shape = Nodes(), [PRODUCT, PRODUCT]
    numbers = np.random.default_rng(1)
    weights = nodes.constant(numbers.integers(-63, 64, shape, np.int8))
    found = {nodes.add("MatMulInteger", ["rows", weights]): describe("found", np.int32, shape)}
    graph = nodes.finish("product", [describe("rows", np.uint8, shape)], found)
    session = onnxruntime.InferenceSession(write_model(graph), providers=["CPUExecutionProvider"])
    rows = {"rows": numbers.integers(0, 256, shape, np.uint8)}
    return 2 * PRODUCT**3 / time_calls(lambda: session.run(None, rows), repeats)


def measure_memory(repeats: int = 15) -> float:
    """Measures how fast all cores together read an array that no cache holds.

    Args:
        repeats: Timed readings.

    Returns:
        Bytes a second.
    """
    cores = len(os.sched_getaffinity(0))
    parts = np.array_split(np.zeros(MEGABYTES << 18, np.float32) + 1, cores)
    with ThreadPoolExecutor(cores) as threads:
        seconds = time_calls(lambda: list(threads.map(np.max, parts)), repeats)
    return (MEGABYTES << 20) / seconds


def measure_machine(has_bfloat16: bool) -> dict[str, Any]:
    """Measures what limits replies: products of every type that an engine takes, and the memory.

    Args:
        has_bfloat16: Whether to multiply in bfloat16 too.

    Returns:
        {figure: value}.
    """
    figures = describe_products(measure_products("float32"))
    if has_bfloat16:
        figures["bfloat16_gigaflops"] = measure_products("bfloat16")["tensorflow"] / 1e9
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        figures["int8_gigaops"] = measure_int8_products() / 1e9
    return {**figures, "memory_gigabytes_per_second": measure_memory() / 1e9}


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
