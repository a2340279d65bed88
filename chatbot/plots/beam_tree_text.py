"""A beam's tree in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from chatbot.beam_tree import Branch, Node, format_probability, list_nodes
from chatbot.plots.labels import write_label

_LABEL = 24  # columns


def write_beam_tree(
    tree: Sequence[Sequence[Branch]], best: tuple[int, int] | None = None
) -> list[str]:
    """Writes a beam's tree as an outline, each branch below its parent.

    Args:
        tree: The branches of every step.
        best: Step and place of the best reply's last branch; see `list_nodes`.

    Returns:
        A line for each branch: its token, the probability of all tokens up to it, whether it was
        dropped or ended, and `*` for the branches of the best reply.

    Raises:
        ValueError: It is no tree.
    """
    nodes = list_nodes(tree, best)
    children: dict[int | None, list[int]] = {}
    for number, node in enumerate(nodes):
        children.setdefault(node.parent, []).append(number)
    lines = []
    # Those still to be written, the next one last, each with what its line begins with.
    waiting = [(number, "") for number in reversed(children.get(None, []))]
    while waiting:
        number, before = waiting.pop()
        is_last = number == children[nodes[number].parent][-1]
        lines.append(f"{before}{'└─' if is_last else '├─'} {_write_node(nodes[number])}")
        before += "   " if is_last else "│  "
        waiting += [(child, before) for child in reversed(children.get(number, []))]
    return lines


def _write_node(node: Node) -> str:
    branch = node.branch
    words = [write_label(branch.text, _LABEL), format_probability(branch.log_prob)]
    words += ["ended"] * branch.ended + ["dropped"] * (not branch.kept) + ["*"] * node.best
    return " ".join(words)
