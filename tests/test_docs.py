"""What the documents name exists: rooms, functions, files, tests, modules and flags."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from chatbot.settings.config import SECTIONS

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "data/*.md", "benchmarks/*.md", "examples/*.md")
    for path in ROOT.glob(pattern)
)
ARCHITECTURE, ENGINES = (ROOT / "docs" / f"{name}.md" for name in ("architecture", "engines"))
STEP = re.compile(r"`([\w/]+\.py): ([\w.]+)`")
BLOCK = re.DOTALL | re.MULTILINE
OTHERS = {"flagfile", "help", "logdir", "preload"}
"""Flags of absl, TensorBoard and gunicorn."""


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def list_names(tree: ast.AST, prefix: str = "") -> Iterator[str]:
    """Yields the functions and classes of a module, methods as `Class.method`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from list_names(node, f"{prefix}{node.name}.")


@pytest.mark.parametrize(
    ("module", "function"), STEP.findall(read(ARCHITECTURE)) + STEP.findall(read(ENGINES))
)
def test_every_function_that_a_document_points_to_is_in_its_module(
    module: str, function: str
) -> None:
    assert function in set(list_names(ast.parse(read(ROOT / "chatbot" / module))))


def test_every_numbered_line_of_the_walks_is_a_step() -> None:
    numbered = re.findall(r"^\d+\. .*$", read(ARCHITECTURE), re.MULTILINE)
    assert numbered
    assert [line for line in numbered if not STEP.search(line)] == []


def test_every_class_of_the_library_that_we_use_has_a_counterpart() -> None:
    folder = ROOT / "chatbot" / "addons"
    sources = "".join(read(path) for path in folder.glob("*.py"))
    used = set(re.findall(r"(?:tfa\.seq2seq|keras\.layers)\.(\w+)", sources))
    rows = re.findall(r"^\| `(\w+)` \|", read(ENGINES), re.MULTILINE)
    plumbing = {"AbstractRNNCell", "BasicDecoderOutput", "Dense"}
    assert used - plumbing <= set(rows)


def test_the_table_of_rooms_is_the_import_contract() -> None:
    (table,) = re.findall(r"^```\n(.*?)^```", read(ARCHITECTURE), BLOCK)
    floors = [line.split("  ")[0].split(" | ") for line in table.splitlines()]
    (contract,) = re.findall(r"^layers = \[(.*?)^\]", read(ROOT / "pyproject.toml"), BLOCK)
    assert floors == [layer.split(" | ") for layer in re.findall('"(.*?)"', contract)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(document: Path) -> None:
    checks: tuple[tuple[str, Callable[[str], bool]], ...] = (
        (r"\]\(([^):#]+)\)", lambda link: (document.parent / link).exists()),
        (
            r"`((?:chatbot|tests|tools|benchmarks|docs|examples)/[\w./-]*)`",
            lambda path: "NAME" in path or (ROOT / path).exists(),
        ),
        (r"`(test_\w+)`", is_test),
        (r"-m ((?:benchmarks|tools|examples)[\w.]+)", is_module),
        (r"(?<![\w-])--([a-zA-Z]\w*)", is_flag),
    )
    text = read(document)
    named = ((name, exists) for pattern, exists in checks for name in re.findall(pattern, text))
    assert [name for name, exists in named if not exists(name)] == []


def test_what_contributors_are_sent_to_is_in_the_code() -> None:
    folders = (ROOT / name for name in ("chatbot", "tests"))
    sources = " ".join(read(path) for folder in folders for path in folder.rglob("*.py"))
    words = set(re.findall(r"\w+", sources))
    named = re.findall(r"`(?:\w+\.)?(\w*[A-Z_]\w*)`", read(ROOT / "CONTRIBUTING.md"))
    assert named
    assert [name for name in named if name not in words] == []


def is_test(name: str) -> bool:
    """Tells whether a test, or a file of tests, has this name."""
    paths = list((ROOT / "tests").rglob("*.py"))
    return any(path.stem == name or f"def {name}(" in read(path) for path in paths)


def is_module(name: str) -> bool:
    return (ROOT / f"{name.replace('.', '/')}.py").exists()


def is_flag(name: str) -> bool:
    """Tells whether a program has this flag, or the switch that `no` turns off."""
    settings = {item.name for kind in SECTIONS.values() for item in fields(kind)}
    folders = (ROOT / name for name in ("chatbot/programs", "benchmarks", "tools", "examples"))
    sources = "".join(read(path) for folder in folders for path in folder.glob("*.py"))
    words = set(re.findall(r'"(?:--)?(\w+)"', sources))
    return bool({name, name.removeprefix("no")} & (settings | words | OTHERS))
