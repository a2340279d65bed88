"""The rows of a tree's nodes, chosen so that no node covers another and no edges cross."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chatbot.beam_tree import Node


def place_rows(nodes: Sequence[Node]) -> NDArray[np.float64]:
    """Returns the row of each of `list_nodes`' nodes, downwards from 0, `float64 [nodes]`.

    Nodes of one step are 1 or more apart. Children are placed beside their parent and in the order
    of the parents, so that no edges cross.
    """
    steps = _sort(nodes)
    children: dict[int, list[int]] = {}
    for number, node in enumerate(nodes):
        if node.parent is not None:
            children.setdefault(node.parent, []).append(number)
    rows = np.zeros(len(nodes))
    for step in steps:
        rows[step] = space_out(_follow_parents(step, nodes, rows))
    for step in reversed(steps):
        wishes = [
            float(np.mean(rows[children[number]])) if number in children else rows[number]
            for number in step
        ]
        rows[step] = space_out(wishes)
    return rows - rows.min(initial=np.inf) if len(rows) else rows


def _sort(nodes: Sequence[Node]) -> list[list[int]]:
    """Returns the nodes of every step from top to bottom, in the order of their parents."""
    steps: list[list[int]] = []
    order: dict[int | None, int] = {None: 0}
    for step in range(1 + max((node.step for node in nodes), default=-1)):
        found = [number for number, node in enumerate(nodes) if node.step == step]
        found.sort(key=lambda number: order[nodes[number].parent])
        order.update({number: place for place, number in enumerate(found)})
        steps.append(found)
    return steps


def _follow_parents(
    step: list[int], nodes: Sequence[Node], rows: NDArray[np.float64]
) -> list[float]:
    """Returns where a step's nodes would be if each family were alone beside its parent."""
    parents = [nodes[number].parent for number in step]
    wishes = []
    for place, parent in enumerate(parents):
        middle = parents.index(parent) + (parents.count(parent) - 1) / 2
        wishes.append((0.0 if parent is None else float(rows[parent])) + place - middle)
    return wishes


def space_out(wishes: Sequence[float]) -> list[float]:
    """Moves sorted places until each is 1 or more behind the one before, by the least squares.

    The pool-adjacent-violators algorithm: Ayer et al. 1955, An Empirical Distribution Function for
    Sampling with Incomplete Information.
    """
    pools: list[tuple[float, int]] = []  # mean of wishes less places, size
    for place, wish in enumerate(wishes):
        mean, size = wish - place, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, size = (mean * size + other * more) / (size + more), size + more
        pools.append((mean, size))
    means = [mean for mean, size in pools for _ in range(size)]
    return [mean + place for place, mean in enumerate(means)]
