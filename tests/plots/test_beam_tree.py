from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.beam_tree import Branch, cut_tree, format_probability, list_nodes
from chatbot.errors import ChatbotError
from chatbot.plots import draw_beam_tree, write_beam_tree
from chatbot.plots.tree_rows import place_rows, space_out
from chatbot.system.paths import PROJECT
from tools.draw_examples import PROBABILITIES, WORDS, draw_examples, search_table

Tree = list[list[Branch]]


def make_branch(text: str, probability: float, parent: int = 0, flags: str = "k") -> Branch:
    """A branch; "k" in the flags for kept, "e" for ended."""
    return Branch(parent, text, math.log(probability), "k" in flags, "e" in flags)


# "hi" ends at the second step, stays in the beam at the third, and is better than "how are".
TREE = [
    [make_branch("hi", 0.5), make_branch("how", 0.4), make_branch("no", 0.001, flags="")],
    [
        make_branch("<eos>", 0.3, 0, "ke"),
        make_branch("are", 0.2, 1),
        make_branch("<eos>", 0.1, 1, "e"),
    ],
    [
        make_branch("<eos>", 0.3, 0, "ke"),
        make_branch("<eos>", 0.15, 1, "ke"),
        make_branch("you", 0.05, 1, ""),
    ],
]


def make_tree(width: int, steps: int, choices: int, seed: int = 3) -> Tree:
    """A tree as a search makes it, whose hypotheses end now and then."""
    generator = np.random.default_rng(seed)
    words = ["a", "the", "WWWWWWWW", "internationalisation", "你好你好", "what_is_it", "<eos>"]
    tree: Tree = []
    beam = [Branch(0, "", 0.0, True, False)]
    for _ in range(steps):
        found = []
        for place, branch in enumerate(beam):
            if branch.ended:
                found.append(branch._replace(parent=place))
                continue
            for _ in range(choices):
                word = words[generator.integers(len(words) - (generator.random() > 0.1))]
                log_prob = branch.log_prob + math.log(generator.uniform(0.05, 0.5))
                found.append(Branch(place, word, log_prob, True, word == "<eos>"))
        found.sort(key=lambda branch: -branch.log_prob)
        tree.append([branch._replace(kept=n < width) for n, branch in enumerate(found)])
        beam = tree[-1][:width]
    return tree


@pytest.mark.parametrize(
    ("log_prob", "text"),
    [
        (math.log(0.24), "0.24"),
        (0.0, "1.00"),
        (math.log(0.0101), "0.01"),
        (math.log(0.0099), "e^-4.6"),
        (-7.34, "e^-7.3"),
        (-math.inf, "0"),
        (math.nan, "e^nan"),
    ],
)
def test_probabilities(log_prob: float, text: str) -> None:
    assert format_probability(log_prob) == text


def test_a_finished_hypothesis_that_stays_is_one_node() -> None:
    nodes = list_nodes(TREE)
    assert [(node.branch.text, node.step, node.parent, node.best) for node in nodes] == [
        ("hi", 0, None, True),
        ("how", 0, None, False),
        ("no", 0, None, False),
        ("<eos>", 1, 0, True),
        ("are", 1, 1, False),
        ("<eos>", 1, 1, False),
        ("<eos>", 2, 4, False),
        ("you", 2, 4, False),
    ]


def test_the_best_is_the_one_that_is_named_or_first_in_an_unfinished_beam() -> None:
    def find(tree: Tree, best: tuple[int, int] | None = None) -> list[str]:
        return [node.branch.text for node in list_nodes(tree, best) if node.best]

    assert find(TREE, (2, 1)) == ["how", "are", "<eos>"]
    assert find(TREE, (2, 0)) == ["hi", "<eos>"]
    assert find(TREE[:1]) == ["hi"]
    assert find([]) == []


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([[make_branch("a", 0.5, 1)]], "one of the 1 kept"),
        ([[make_branch("a", 0.5, -1)]], "one of the 1 kept"),
        ([TREE[0], [make_branch("a", 0.1, 2)]], "one of the 2 kept"),
        ([[make_branch("a", 0.5, flags=""), make_branch("b", 0.4)]], "before those"),
    ],
)
def test_what_is_no_tree_is_refused(tree: Tree, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list_nodes(tree)


def test_an_outline_by_hand() -> None:
    assert write_beam_tree(TREE) == [
        "├─ hi 0.50 *",
        "│  └─ (end) 0.30 ended *",
        "├─ how 0.40",
        "│  ├─ are 0.20",
        "│  │  ├─ (end) 0.15 ended",
        "│  │  └─ you 0.05 dropped",
        "│  └─ (end) 0.10 ended dropped",
        "└─ no e^-6.9 dropped",
    ]
    assert write_beam_tree([]) == []
    assert write_beam_tree([[make_branch("\x1b[2J\n", 0.5)]]) == ["└─ \ufffd[2J\ufffd 0.50 *"]


@given(st.lists(st.integers(-5, 5) | st.floats(-5, 5), max_size=7))
def test_places_are_apart_and_no_worse_than_others(wishes: list[float]) -> None:
    places = space_out(wishes)
    assert all(after - before > 1 - 1e-9 for before, after in itertools.pairwise(places))

    def sum_squares(values: Any) -> float:
        return float(np.sum((np.asarray(values) - wishes) ** 2))

    # Any mix with another arrangement that is apart moves things more.
    other = [min(wishes, default=0) + 1.5 * number for number in range(len(wishes))]
    mixed = 0.9 * np.asarray(places) + 0.1 * np.asarray(other)
    assert sum_squares(places) <= sum_squares(mixed) + 1e-9


def test_no_nodes_meet_and_no_edges_cross() -> None:
    nodes = list_nodes(make_tree(5, 15, 5))
    rows = place_rows(nodes)
    assert rows.min() == 0.0
    for step in range(15):
        found = sorted((rows[n], n) for n, node in enumerate(nodes) if node.step == step)
        assert all(after[0] - before[0] > 1 - 1e-9 for before, after in itertools.pairwise(found))
        parents = [nodes[n].parent for _, n in found if step]
        heights = [rows[parent] for parent in parents if parent is not None]
        assert heights == sorted(heights)


@pytest.mark.parametrize(("width", "steps", "suffix"), [(5, 15, "svg"), (2, 4, "png")])
def test_no_two_boxes_overlap_and_labels_stay_inside(
    tmp_path: Path, figures: list[Any], width: int, steps: int, suffix: str
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.patches import FancyBboxPatch

    tree = make_tree(width, steps, width)
    tree = [
        [b._replace(text=b.text.replace("你好你好", "hello")) for b in branches]
        for branches in tree
    ]
    draw_beam_tree(str(tmp_path / f"tree.{suffix}"), tree, "a title")
    (figure,) = figures
    canvas: Any = FigureCanvasAgg(figure)
    (axes,) = figure.axes
    renderer = canvas.get_renderer()
    frames = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    boxes = {patch.get_window_extent(renderer).bounds for patch in frames}
    outer = [
        box for box in map(np.array, boxes) if not any(is_inside(box, other) for other in boxes)
    ]
    assert len(outer) == len(list_nodes(tree))
    for one, other in itertools.combinations(outer, 2):
        x, y, w, h = one
        X, Y, W, H = other
        assert x + w <= X or x >= X + W or y + h <= Y or y >= Y + H
    labels = [text.get_window_extent(renderer).bounds for text in axes.texts]
    outside = [label for label in labels if not any(is_inside(label, box) for box in outer)]
    assert len(outside) == 1  # the explanation below


def is_inside(one: Any, other: Any) -> bool:
    x, y, w, h = one
    X, Y, W, H = other
    return bool(x > X and y > Y and x + w < X + W and y + h < Y + H)


def read_texts(path: Path) -> list[str]:
    elements = ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")
    return [element.text or "" for element in elements]


def test_kept_dropped_ended_and_best_look_different(tmp_path: Path, figures: list[Any]) -> None:
    path = tmp_path / "tree.svg"
    assert draw_beam_tree(str(path), TREE, "你好 $x$") == ""
    texts = read_texts(path)
    expected = ["hi", "0.50", "how", "no", "e^-6.9", "(end)", "are", "you", "你好 $x$"]
    assert set(expected) <= set(texts)
    assert texts.count("(end)") == 3
    (axes,) = figures[0].axes
    edges = [patch for patch in axes.patches if not patch.get_fill()]
    assert [(edge.get_linestyle(), edge.get_linewidth() > 1) for edge in edges] == [
        ("solid", True),  # the best
        ("solid", False),
        ("dashed", False),
        ("solid", False),
        ("dashed", False),
    ]
    boxes = [patch for patch in axes.patches if patch.get_fill()]
    assert len(boxes) == 8 + 3  # those that ended have two frames
    assert sum(box.get_linestyle() == "dashed" for box in boxes) == 3 + 1


def test_png_and_svg_by_the_name(tmp_path: Path) -> None:
    draw_beam_tree(str(tmp_path / "tree.PNG"), TREE, "")
    assert (tmp_path / "tree.PNG").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(ChatbotError, match=r"\.png or \.svg"):
        draw_beam_tree(str(tmp_path / "tree.pdf"), TREE, "")
    with pytest.raises(ValueError, match="at least one branch"):
        draw_beam_tree(str(tmp_path / "tree.svg"), [], "")


def test_the_documents_example_is_searched_and_drawn(tmp_path: Path) -> None:
    tree = search_table(PROBABILITIES, WORDS, width=2, steps=2)
    found = [
        [(branch.text, round(math.exp(branch.log_prob), 9)) for branch in step if branch.kept]
        for step in tree
    ]
    assert found == [[("am", 0.5), ("I", 0.4)], [("am", 0.24), ("Chinese", 0.2)]]
    assert [branch.parent for branch in tree[1][:2]] == [1, 0]
    assert write_beam_tree(tree) == [
        "├─ am 0.50",
        "│  ├─ Chinese 0.20",
        "│  ├─ I 0.15 dropped",
        "│  └─ am 0.15 dropped",
        "├─ I 0.40 *",
        "│  ├─ am 0.24 *",
        "│  ├─ I 0.12 dropped",
        "│  └─ Chinese 0.04 dropped",
        "└─ Chinese 0.10 dropped",
    ]
    draw_examples(tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (PROJECT / "docs" / path.name).read_bytes(), path.name
    assert [path.name for path in tmp_path.iterdir()] == ["beam_tree.svg"]


def test_a_hypothesis_that_is_pushed_out_after_its_end_is_dropped() -> None:
    tree = [
        [Branch(0, "<eos>", -1.0, True, True), Branch(0, "I", -1.1, True, False)],
        [
            Branch(1, "am", -1.2, True, False),
            Branch(1, "is", -1.3, True, False),
            Branch(0, "<eos>", -1.4, False, True),
        ],
        [Branch(0, "<eos>", -1.5, True, True), Branch(1, "<eos>", -1.6, True, True)],
    ]
    nodes = list_nodes(tree)
    assert [node.branch.kept for node in nodes if node.step == 0] == [False, True]
    assert [node.step for node in nodes if node.best] == [0, 1, 2]


def test_a_tree_too_large_to_look_at_is_cut() -> None:
    step = [Branch(0, "x", -1.0, place < 300, False) for place in range(600)]
    tree, note = cut_tree([step] * 50)
    assert len(tree) == 3
    assert note == "the tree is large: its first 3 of 50 steps"
    assert cut_tree([step[:5]] * 40) == ([step[:5]] * 40, "")
    assert len(cut_tree([step * 10])[0]) == 1
