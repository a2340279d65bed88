"""What follows each node of a tree of replies: the attention, and the likeliest words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chatbot.lite.beam import to_log_probs
from chatbot.lite.forced import average_heads
from chatbot.lite.interface import Array, Network
from chatbot.lite.rules import ban
from chatbot.settings.config import SearchConfig
from chatbot.text import GO


class Tree:
    """Replies to one query, those with the same beginning on one path.

    Node 0 is the beginning of all replies; a node has a higher number than its parent.

    Attributes:
        tokens: Each node's token; the start token at node 0.
        parents: Each node's parent; -1 at node 0.
        children: For each node {token: node}, in the order in which they were added.
    """

    def __init__(self) -> None:
        self.tokens, self.parents = [GO], [-1]
        self.children: list[dict[int, int]] = [{}]

    def add(self, parent: int, token: int) -> int:
        """Returns the node behind a parent that has a token, and makes it if need be."""
        node = self.children[parent].setdefault(token, len(self.tokens))
        if node == len(self.tokens):
            self.tokens.append(token)
            self.parents.append(parent)
            self.children.append({})
        return node

    def add_path(self, tokens: Sequence[int]) -> list[int]:
        """Adds a whole reply; returns its nodes, one for each token."""
        nodes = [0]
        for token in tokens:
            nodes.append(self.add(nodes[-1], token))
        return nodes[1:]

    def list_levels(self) -> Iterator[list[int]]:
        """Yields step by step the nodes that something follows."""
        level = [0]
        while level := [node for node in level if self.children[node]]:
            yield level
            level = [child for node in level for child in self.children[node].values()]


class Look(NamedTuple):
    """What the network computes behind a node.

    Attributes:
        attention: `float32 [S]`, how much of its attention each token of the query gets while the
            next word is chosen; S is 0 without attention.
        log_probs: {token: its log probability in nats}, of the node's children.
        allowed: {token: the same among what the rules allow}, -inf for a token that they forbid.
        likeliest: The likeliest tokens, each with its log probability and whether the rules forbid
            it.
    """

    attention: Any
    log_probs: Mapping[int, float]
    allowed: Mapping[int, float]
    likeliest: list[tuple[int, float, bool]]


def look(
    network: Network,
    query_ids: Array,
    query_lengths: Array,
    tree: Tree,
    settings: SearchConfig,
    count: int,
) -> dict[int, Look]:
    """Walks through a tree of replies, each step with all nodes that something follows.

    Args:
        network: What takes the steps.
        query_ids: `int32 [1, S]`.
        query_lengths: `int32 [1]`.
        tree: The replies.
        settings: Its rules are followed.
        count: How many of the likeliest tokens to list.

    Returns:
        {node: what follows it}, for the nodes with children.
    """
    attended, state = network.start(query_ids, query_lengths)
    said, places, found = np.full([1, 1], GO, np.int32), {-1: 0}, {}
    for level in tree.list_levels():
        parents = [places[tree.parents[node]] for node in level]
        last_ids = np.array([tree.tokens[node] for node in level], np.int32)
        said = np.concatenate([said[parents], last_ids[:, np.newaxis]], axis=1)
        step = network.advance(last_ids, attended, state[parents])
        state, places = step.state, {node: row for row, node in enumerate(level)}
        rows = _look_at(network, step.logits, said[:, 2:], settings, count)
        nothing = np.zeros([len(level), 0])
        seen = nothing if step.alignments is None else average_heads(step.alignments, 2)
        for node, row in zip(level, rows):
            log_probs, allowed, likeliest = row
            children = tree.children[node]
            found[node] = Look(
                seen[places[node]],
                {token: float(log_probs[token]) for token in children},
                {token: float(allowed[token]) for token in children},
                likeliest,
            )
    return found


def _look_at(
    network: Network, logits: Array, said: Array, settings: SearchConfig, count: int
) -> Iterator[tuple[Array, Array, list[tuple[int, float, bool]]]]:
    """Yields for each row its log probabilities, those among what the rules allow, the likeliest.

    Args:
        network: What finds the largest logits.
        logits: `float32 [R, V]`; they are overwritten.
        said: `int32 [R, T]`, each row's tokens so far.
        settings: Its rules are followed.
        count: How many of the likeliest to list.
    """
    with np.errstate(invalid="ignore"):  # -inf minus -inf
        _, tokens, normalizer = network.find_best(logits, min(count, network.vocab_size))
        log_probs = to_log_probs(logits, normalizer[:, np.newaxis])
        ban(logits, said, settings)
        normalizer = network.find_best(logits, 1).normalizer
        allowed = to_log_probs(logits, normalizer[:, np.newaxis])
    for row, best in enumerate(tokens.tolist()):
        forbidden = np.isneginf(logits[row, best]).tolist()
        yield log_probs[row], allowed[row], [*zip(best, log_probs[row, best].tolist(), forbidden)]
