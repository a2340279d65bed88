"""What a notebook shows, and docs/notebook.ipynb from its first cell to its last."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbclient
import nbformat
import numpy as np
import pytest

from chatbot.beam_tree import Branch
from chatbot.corpus import read_pairs
from chatbot.notebook import Attention, BeamTree
from chatbot.reply import Replies, Reply

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<b>&\"'</b>"
TREE = [
    [Branch(0, HOSTILE, -1.0, True, False), Branch(0, "你好", -2.0, False, False)],
    [Branch(0, "<eos>", -1.5, True, True)],
]
LEARNED = "names.tsv", "greetings.tsv", "jokes.tsv"
"""What of the corpus the notebook learns here."""
WEIGHTS = np.array([[0.25, 0.75], [1.0, 0.0]], np.float32)


def read_cells() -> dict[str, Any]:
    """{its name: each cell}."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return {cell["id"]: cell for cell in cells}


def read_notebook() -> Any:
    read: Any = nbformat.read  # it has no types
    return read(NOTEBOOK, as_version=4)


def read_texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_replies_are_a_table_whose_texts_are_no_html() -> None:
    one = Reply(HOSTILE, -1.234, -0.5)
    replies = Replies([one, Reply("你好", -2.0, -0.75)])
    rows = ElementTree.fromstring(replies._repr_html_()).iter("tr")
    assert [[cell.text for cell in row] for row in rows] == [
        ["reply", "log_prob", "score"],
        [HOSTILE, "-1.23", "-0.50"],
        ["你好", "-2.00", "-0.75"],
    ]
    assert one._repr_html_() == Replies([one])._repr_html_()


def test_what_a_notebook_shows_is_plain_data_elsewhere() -> None:
    found = [Reply("hi", -1.0, -0.5)]
    for plain, shown in ((found, Replies(found)), (TREE, BeamTree(TREE))):
        assert shown == plain
        assert repr(shown) == repr(plain)
    tokens, _, weights = Attention(["a", "b"], ["c", "<eos>"], WEIGHTS)
    assert (tokens, weights.shape) == (["a", "b"], (2, 2))


def test_pictures_are_files_of_their_own_and_their_texts_no_markup() -> None:
    attention = Attention([HOSTILE, "你"], ["好", "<eos>"], WEIGHTS)._repr_svg_()
    assert {HOSTILE, "你", "好", "(end)"} <= set(read_texts(attention))
    images = list(ElementTree.fromstring(attention).iter(f"{SVG}image"))
    assert images
    assert all(image.attrib["href"].startswith("data:image/png;base64,") for image in images)
    tree = BeamTree(TREE)._repr_svg_()
    assert tree is not None
    assert {HOSTILE, "你好", "0.37", "(end)"} <= set(read_texts(tree))
    assert "blue, thick: the likeliest reply" in read_texts(tree)[0]
    for svg in (attention, tree):
        assert "id=" not in svg  # two pictures of a page would share them
        assert "url(" not in svg


def test_a_large_tree_is_cut_and_says_so_and_an_empty_one_is_no_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatbot.beam_tree.MOST_BRANCHES", 2)
    large = BeamTree(TREE)._repr_svg_()
    assert large is not None
    assert "the tree is large: its first 1 of 2 steps" in read_texts(large)
    assert BeamTree()._repr_svg_() is None
    assert BeamTree([[]])._repr_svg_() is None


def test_the_notebook_is_kept_without_outputs_and_says_before_each_cell_what_it_does() -> None:
    cells = list(read_cells().values())
    code = [number for number, cell in enumerate(cells) if cell["cell_type"] == "code"]
    assert all(cells[number]["outputs"] == [] for number in code)
    assert all(cells[number]["execution_count"] is None for number in code)
    assert all(cells[number - 1]["cell_type"] == "markdown" for number in code)
    nbformat.validate(read_notebook())


@pytest.mark.parametrize("place", ["clone/docs", "clone", "."])
def test_it_finds_the_clone_it_lies_in_and_the_folder_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "clone" / "docs").mkdir(parents=True)
    (tmp_path / "a file").touch()
    monkeypatch.chdir(tmp_path / place)
    source = "".join(read_cells()["find"]["source"])
    with pytest.raises(FileNotFoundError, match="upload the project's folder to"):
        exec(source, {})
    (tmp_path / "clone" / "chatbot").symlink_to(ROOT / "chatbot")
    found: dict[str, Any] = {}
    exec(source, found)
    assert found["folder"] == tmp_path / "clone"


def make_variables(place: Path) -> dict[str, str]:
    """The environment of a kernel that has nobody's own settings, and whose pip only pretends."""
    return {
        **os.environ,
        "IPYTHONDIR": str(place / "ipython"),
        "JUPYTER_DATA_DIR": str(place / "jupyter"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_DRY_RUN": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # means without it: pip looks at the option's value
        "PIP_NO_DEPS": "1",
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """{cell: its outputs}, of the notebook in the docs/ of a clone, with the shortest training."""
    place = tmp_path_factory.mktemp("a place")
    (place / "a clone" / "docs").mkdir(parents=True)
    for path in ROOT.glob("[!.]*"):
        if path.name not in ("docs", "model", "data"):
            (place / "a clone" / path.name).symlink_to(path)
    (place / "a clone" / "data" / "smalltalk" / "english").mkdir(parents=True)
    for name in LEARNED:
        path = Path("data", "smalltalk", "english", name)
        (place / "a clone" / path).symlink_to(ROOT / path)
    notebook = read_notebook()
    cells = {cell.id: cell for cell in notebook.cells}
    cells["parameters"].source = "epochs = 1"
    client = nbclient.NotebookClient(
        notebook,
        timeout=900,  # a cell trains, on whatever machine
        kernel_name="python3",
        resources={"metadata": {"path": str(place / "a clone" / "docs")}},
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in make_variables(place).items():
            patch.setenv(name, value)
        client.execute()
    return {name: cell.get("outputs", []) for name, cell in cells.items()}


def find_shown(outputs: Any, kind: str) -> str:
    """What the last line of a cell shows as this kind."""
    (shown,) = [output.data[kind] for output in outputs if output.output_type == "execute_result"]
    return str(shown)


def test_the_notebook_installs_its_own_folder_without_a_word(outputs: Mapping[str, Any]) -> None:
    said = "".join(output.get("text", "") for output in outputs["install"])
    assert said.split("\n", 1)[0].startswith("Note: you may need to restart the kernel")


def test_the_notebook_trains_and_shows_how_far_it_is(outputs: Mapping[str, Any]) -> None:
    said = "".join(output.get("text", "") for output in outputs["train"])
    corpus = ROOT / "data" / "smalltalk" / "english"
    steps = math.ceil(sum(len(list(read_pairs(corpus / name))) for name in LEARNED) / 64)
    assert f"{steps}/{steps} steps" in said
    shown = find_shown(outputs["train"], "text/html")
    assert f"<td>all {steps} steps done</td>" in shown
    assert "<svg " in shown


def test_the_notebook_compares_greedy_search_with_the_beam(outputs: Mapping[str, Any]) -> None:
    said = "".join(output.get("text", "") for output in outputs["compare"])
    assert said.count("\ngreedy  ") == said.count("\nbeam  ") == 4
    for name in ("beam", "mine"):
        table = ElementTree.fromstring(find_shown(outputs[name], "text/html"))
        assert 2 <= len(list(table.iter("tr"))) <= 6


@pytest.mark.parametrize(("cell", "texts"), [("attention", {"name", "(end)"}), ("tree", {"(end)"})])
def test_the_notebook_draws(outputs: Mapping[str, Any], cell: str, texts: set[str]) -> None:
    assert texts <= set(read_texts(find_shown(outputs[cell], "image/svg+xml")))
