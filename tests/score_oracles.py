"""A second opinion of every attention in NumPy: one query against one memory, by the formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = Any  # a NumPy float64 array


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


class Look(NamedTuple):
    """What a step pays attention to: weights `[S]` or `[H, S]`, context `[U]`, what goes on."""

    weights: Array
    context: Array
    carried: Any


class Attention:
    """An attention's weights, and what they make of a query `[U]` and a memory `[S, U]`."""

    def __init__(self, attention: Any, config: Any) -> None:
        names = {name.removesuffix(".kernel"): name for name in _list_names(attention)}
        self.weights: dict[str, Array] = {
            name: _find(attention, path).numpy().astype(np.float64) for name, path in names.items()
        }
        self.kind, self.window = config.attention, config.attention_window
        self.heads = config.attention_heads

    def __getattr__(self, name: str) -> Array:
        return self.weights[name]

    def look(self, query: Array, memory: Array, carried: Any) -> Look:
        """Looks once; at first nothing is carried."""
        if self.kind == "multi_head":
            return self._look_with_heads(query, memory)
        scores = np.array([SCORES[self.kind](self, query, key) for key in memory])
        length = len(memory)
        places = np.arange(length)
        weights, carry = softmax(scores), None
        if self.kind in ("location", "coverage"):
            before = np.zeros(length) if carried is None else carried
            inner = [self._add_up(query, memory, before, place) for place in range(length)]
            weights = softmax(np.tanh(inner) @ self.attention_v)
            carry = weights if self.kind == "location" else before + weights
        elif self.kind == "local_m":
            time = carried or 0
            middle = min(time, length - 1)
            weights, carry = self._cut(scores, places - middle), time + 1
        elif self.kind == "local_p":
            turned = np.tanh(query @ self.query_layer) @ self.attention_v
            distances = places - length * sigmoid(turned)
            weights = self._cut(scores, distances)
            weights *= np.exp(-(distances**2) / (2 * (self.window / 2) ** 2))
        elif self.kind in ("monotonic", "luong_monotonic"):
            before = np.eye(length)[0] if carried is None else carried
            weights = carry = _stop(sigmoid(scores + self.attention_score_bias), before)
        return Look(weights, weights @ memory, carry)

    def _cut(self, scores: Array, distances: Array) -> Array:
        return softmax(np.where(np.abs(distances) <= self.window, scores, -np.inf))

    def _add_up(self, query: Array, memory: Array, before: Array, place: int) -> Array:
        """What location and coverage take the tanh of."""
        inner = query @ self.query_layer + memory[place] @ self.memory_layer + self.attention_b
        if self.kind == "coverage":
            return inner + before[place] * self.coverage_w
        reach = len(self.filters) // 2
        seen = [
            before[j] if 0 <= j < len(before) else 0.0
            for j in range(place - reach, place + reach + 1)
        ]
        return inner + np.array(seen) @ self.filters @ self.filter_layer

    def _look_with_heads(self, query: Array, memory: Array) -> Look:
        size = len(query) // self.heads
        rows, contexts = [], []
        for head in range(self.heads):
            own = slice(head * size, (head + 1) * size)
            key = memory @ self.memory_layer[:, own]
            row = softmax(key @ (query @ self.query_layer[:, own]) / np.sqrt(size))
            rows.append(row)
            contexts.append(row @ (memory @ self.value_layer[:, own]))
        return Look(np.array(rows), np.concatenate(contexts) @ self.output_layer, None)


def _list_names(attention: Any) -> list[str]:
    found = []
    for name, value in vars(attention).items():
        if hasattr(value, "kernel"):
            found.append(f"{name}.kernel")
        elif hasattr(value, "assign"):
            found.append(name)
    return found


def _find(attention: Any, path: str) -> Any:
    for name in path.split("."):
        attention = getattr(attention, name)
    return attention


def _stop(stops: Array, before: Array) -> Array:
    """Raffel et al. 2017, equation 8: q_j = (1 - p_{j-1}) q_{j-1} + a'_j, and a_j = p_j q_j."""
    arrived, weights = 0.0, []
    for place, stop in enumerate(stops):
        arrived = (arrived * (1 - stops[place - 1]) if place else 0.0) + before[place]
        weights.append(stop * arrived)
    return np.array(weights)


def _score_general(a: Attention, q: Array, m: Array) -> Array:
    return q @ (m @ a.memory_layer)


def _score_additive(a: Attention, q: Array, m: Array) -> Array:
    return a.attention_v @ np.tanh(q @ a.query_layer + m @ a.memory_layer)


def _score_normed(a: Attention, q: Array, m: Array) -> Array:
    inner = np.tanh(q @ a.query_layer + m @ a.memory_layer + a.attention_b)
    return a.attention_g * a.attention_v @ inner / np.linalg.norm(a.attention_v)


def _score_cosine(a: Attention, q: Array, m: Array) -> Array:
    one, other = q @ a.query_layer, m @ a.memory_layer
    cosine = one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
    return np.log1p(np.exp(a.attention_b)) * cosine


def _score_second_order(a: Attention, q: Array, m: Array) -> Array:
    rank = a.pair_layer.shape[1] // 2
    total = _score_general(a, q, m)
    for r in range(rank):
        total += (
            (q @ a.query_layer[:, r])
            * (q @ a.query_layer[:, rank + r])
            * ((m @ a.pair_layer[:, r]) * (m @ a.pair_layer[:, rank + r]))
        )
    return total


SCORES: dict[str, Callable[[Attention, Array, Array], Array]] = {
    "dot": lambda a, q, m: q @ m,
    "scaled_dot": lambda a, q, m: q @ m / np.sqrt(len(q)),
    "luong": _score_general,
    "scaled_luong": lambda a, q, m: a.attention_g * _score_general(a, q, m),
    "concat": lambda a, q, m: a.attention_v @ np.tanh(np.concatenate([q, m]) @ a.joint_layer),
    "bahdanau": _score_additive,
    "normed_bahdanau": _score_normed,
    "cosine": _score_cosine,
    "local_m": _score_general,
    "local_p": _score_general,
    "monotonic": _score_normed,
    "luong_monotonic": lambda a, q, m: a.attention_g * _score_general(a, q, m),
    "location": _score_additive,
    "coverage": _score_additive,
    "second_order": _score_second_order,
}
