"""One tree of all hypotheses that several searches considered for one line."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chatbot.lite.hypotheses import Hypotheses
from chatbot.lite.looking import Look, Tree
from chatbot.lite.recording import Candidates
from chatbot.lite.replies import LIKELY
from chatbot.lite.rescoring import LEAST
from chatbot.lite.searches import Searches
from chatbot.settings.config import SearchConfig
from chatbot.text import EOS

Decode = Callable[[Sequence[int]], list[str]]
LIKELIEST = 10
"""Words that are listed behind a node."""


class Found(NamedTuple):
    """A reply in the tree.

    Attributes:
        ids: Its tokens, the end token left out.
        times: How often the search has it: samples may agree.
        nodes: Its path, the end token's node included.
        log_prob: The model's, in nats.
        score: What replies are ranked by.
        allowed: Log probability among what the rules allow.
        mmi: M of `chatbot.lite.rescoring`.
    """

    ids: tuple[int, ...]
    times: int
    nodes: list[int]
    log_prob: float
    score: float
    allowed: float
    mmi: float


class SearchTree:
    """Runs searches for one query and puts what they find into one tree."""

    def __init__(self, searcher: Searches, queries: tuple[Any, Any], prefix: Sequence[int]) -> None:
        """Takes a query `int32 [1, S]` with its length, and the beginning of all replies."""
        self._searcher, self._queries, self._prefix = searcher, queries, prefix
        self._tree = Tree()
        self._searches: dict[int, list[str]] = defaultdict(list)
        self._kept: dict[int, bool] = {}

    def run(self, name: str, settings: SearchConfig) -> list[Found]:
        """Searches, and adds the replies and what the plain beam considered.

        Returns:
            Different replies, the best score first; none where the rules leave none.
        """
        is_plain = name == "beam" and settings.diverse_groups == 1
        steps: list[Candidates] | None = [] if is_plain else None
        found = self._searcher.search(*self._queries, settings, self._prefix, steps)
        replies = self._add_replies(found, settings)
        for reply in replies:
            self._mark(name, reply.nodes)
        if steps is not None:
            self._add_steps(name, steps)
        return replies

    def _add_replies(self, found: Hypotheses, settings: SearchConfig) -> list[Found]:
        mmi = self._searcher.measure_commonness(found, settings.mmi_tokens)[0].tolist()
        rows = [
            (tuple(ids[:length].tolist()), *values)
            for ids, length, *values in zip(*(part[0] for part in found), mmi)
            if values[0] > LIKELY
        ]
        times = Counter(row[0] for row in rows)
        first = {ids: values for ids, *values in reversed(rows)}
        return [
            Found(ids, times[ids], self._tree.add_path([*ids, EOS]), *map(float, first[ids]))
            for ids in times
        ]

    def _add_steps(self, name: str, steps: Sequence[Candidates]) -> None:
        """Adds what each step of the beam kept and dropped."""
        beam = [0]
        for step in steps:
            nodes = []
            for place, (parent, token) in enumerate(zip(step.parents, step.tokens.tolist())):
                node = beam[parent]
                if self._tree.tokens[node] != EOS:  # else it stays in the beam as it is
                    node = self._tree.add(node, token)
                self._kept[node] = place < step.kept
                nodes.append(node)
            beam = nodes[: step.kept]
            self._mark(name, beam)

    def _mark(self, name: str, nodes: Sequence[int]) -> None:
        for node in nodes:
            if name not in self._searches[node]:
                self._searches[node].append(name)

    def look(self, settings: SearchConfig) -> dict[int, Look]:
        """Returns what follows each node that is no leaf, by the rules of the settings."""
        return self._searcher.look(*self._queries, self._tree, settings, LIKELIEST)

    def find_parent(self, node: int) -> int:
        """Returns the node before a node."""
        return self._tree.parents[node]

    def measure_coverage(self, looks: Mapping[int, Look], nodes: Sequence[int]) -> float | None:
        """Computes C of `chatbot.lite.rescoring` for a reply's path; None without attention."""
        total = np.sum([looks[self.find_parent(node)].attention for node in nodes], axis=0)
        return float(np.log(np.clip(total, LEAST, 1.0)).sum()) if total.size else None

    def write(self, looks: Mapping[int, Look], decode: Decode) -> list[dict[str, Any]]:
        """Writes the nodes as `chatbot.serving.compare` describes them."""
        return [self._write_node(node, looks, decode) for node in range(len(self._tree.tokens))]

    def _write_node(self, node: int, looks: Mapping[int, Look], decode: Decode) -> dict[str, Any]:
        parent, token = self._tree.parents[node], self._tree.tokens[node]
        before = looks[parent] if node else None
        return {
            "parent": parent if node else None,
            "token": decode([token])[0] if node else None,
            "log_prob": before and write_number(before.log_probs[token]),
            "allowed_log_prob": before and write_number(before.allowed[token]),
            "searches": self._searches[node],
            "kept": self._kept.get(node),
            "ended": token == EOS,
            "next": _write_look(looks[node], decode) if node in looks else None,
        }


def _write_look(look: Look, decode: Decode) -> dict[str, Any]:
    words = decode([token for token, _, _ in look.likeliest])
    return {
        "attention": [round(float(share), 5) for share in look.attention],
        "likeliest": [
            {"token": word, "log_prob": write_number(log_prob), "banned": banned}
            for word, (_, log_prob, banned) in zip(words, look.likeliest)
        ],
    }


def write_number(value: float | None) -> float | None:
    """Rounds a number for JSON; None where it is not finite."""
    return round(value, 5) if value is not None and math.isfinite(value) else None
