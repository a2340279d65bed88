"""A beam search as a tree: what it kept and dropped at every step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Branch(NamedTuple):
    """A hypothesis that a beam search considered.

    A tree is a list with the branches of every step, `list[list[Branch]]`; in each step those that
    were kept come first, in the order of the beam. A finished hypothesis that stays in the beam is
    a branch with `ended` whose parent has it too.

    Attributes:
        parent: Its place in the step before, among those kept there; 0 at the first step.
        text: Its last token.
        log_prob: Log probability (nats) of all its tokens.
        kept: Whether it is in the beam after this step.
        ended: Whether it ends with this step, or ended before.
    """

    parent: int
    text: str
    log_prob: float
    kept: bool
    ended: bool


class Node(NamedTuple):
    """A branch in its place: one point of the tree.

    Attributes:
        branch: What it shows.
        step: Its step, from 0.
        parent: The number of the node that it continues, or None at the first step.
        best: Whether the best reply passes through it.
    """

    branch: Branch
    step: int
    parent: int | None
    best: bool


def list_nodes(tree: Sequence[Sequence[Branch]], best: tuple[int, int] | None = None) -> list[Node]:
    """Numbers the branches of a tree, except those that only repeat a finished hypothesis.

    Args:
        tree: The branches of every step.
        best: Step and place of the best reply's last branch; None for the likeliest one that is
            kept and ended, or the first of the last step where none has ended.

    Returns:
        The nodes, step after step; a node's number is its place in the list.

    Raises:
        ValueError: A parent is missing, or a dropped branch comes before a kept one.
    """
    nodes: list[Node] = []
    places: list[list[int]] = []  # [step][place] -> node
    for step, branches in enumerate(tree):
        _check(branches, tree[step - 1] if step else ())
        places.append([])
        for branch in branches:
            parent = places[step - 1][branch.parent] if step else None
            if parent is not None and nodes[parent].branch.ended:
                if not branch.kept:  # it was pushed out after it had ended
                    nodes[parent] = nodes[parent]._replace(branch=branch)
                places[step].append(parent)
                continue
            places[step].append(len(nodes))
            nodes.append(Node(branch, step, parent, best=False))
    last = places[best[0]][best[1]] if best is not None else _find_best(nodes)
    while last is not None:
        nodes[last] = nodes[last]._replace(best=True)
        last = nodes[last].parent
    return nodes


MOST_BRANCHES = 2000
"""Branches of a tree that are worth drawing."""


def cut_tree(tree: Sequence[Sequence[Branch]]) -> tuple[Sequence[Sequence[Branch]], str]:
    """Takes as many of a tree's steps as have `MOST_BRANCHES` together, at least one.

    Returns:
        The first steps, and one line that says how many if they are not all, else "".
    """
    count = 0
    for step, branches in enumerate(tree):
        count += len(branches)
        if step and count > MOST_BRANCHES:
            return tree[:step], f"the tree is large: its first {step} of {len(tree)} steps"
    return tree, ""


def find_path(tree: Sequence[Sequence[Branch]], tokens: Sequence[str]) -> tuple[int, int] | None:
    """Finds a reply, given by its tokens without the end token, in a tree.

    Returns:
        Step and place of the branch with which it ends, or None where the beam did not keep it.
    """
    places: dict[tuple[str, ...], int] = {(): 0}
    for step, branches in enumerate(tree):
        said = {place: words for words, place in places.items()}
        places = {}
        for place, branch in enumerate(branches):
            words = said.get(branch.parent)
            if words is None or not branch.kept:
                continue
            if branch.ended and words == tuple(tokens):
                return step, place
            if not branch.ended:
                places[(*words, branch.text)] = place
    return None


def _check(branches: Sequence[Branch], before: Sequence[Branch]) -> None:
    kept = [branch.kept for branch in branches]
    if kept != sorted(kept, reverse=True):
        raise ValueError("branches that were kept must come before those that were dropped")
    beam = sum(branch.kept for branch in before) if before else 1
    if any(not 0 <= branch.parent < beam for branch in branches):
        raise ValueError(f"a branch's parent must be one of the {beam} kept a step before")


def _find_best(nodes: Sequence[Node]) -> int | None:
    kept = [number for number, node in enumerate(nodes) if node.branch.kept]
    ended = [number for number in kept if nodes[number].branch.ended]
    if ended:
        return max(ended, key=lambda number: nodes[number].branch.log_prob)
    return min(kept, key=lambda number: -nodes[number].step, default=None)


def format_probability(log_prob: float) -> str:
    """Writes a probability, given in nats: `0.24`, or `e^-7.3` where it is below 0.01."""
    if log_prob == -math.inf:
        return "0"
    if not math.log(0.01) <= log_prob < math.inf:
        return f"e^{log_prob:.1f}"
    return f"{math.exp(log_prob):.2f}"
