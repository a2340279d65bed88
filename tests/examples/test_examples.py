from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from examples import classify_images, classify_texts, generate_images, locate_objects, tag_words
from examples.common import Options

ROOT = Path(__file__).parents[2]
TEXTS = ROOT / "data" / "examples"
CASES = [
    pytest.param(module, data, baseline, id=module.__name__.rpartition(".")[2])
    for module, data, baseline in (
        (tag_words, TEXTS / "tags.conllu", "most frequent tag of a word"),
        (classify_texts, TEXTS / "sentiment", "bag of words"),
        (classify_images, "", "mean of the positions"),
        (locate_objects, "", "all positions in one layer"),
        (generate_images, "", "the digits learned from"),
    )
]


@pytest.mark.parametrize(("module", "data", "baseline"), CASES)
def test_example_trains_measures_and_draws(
    module: ModuleType,
    data: str | Path,
    baseline: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if module is locate_objects:
        monkeypatch.setattr(module, "CANVASES", 64)
        monkeypatch.setattr(module, "TEST_CANVASES", 16)
    picture = tmp_path / "picture.svg"
    figures = module.work(Options(str(data), 1, 0, str(picture)))
    assert next(iter(figures)) == baseline
    assert len(figures) == (2 if module in (classify_images, locate_objects) else 3)
    assert all(figure >= 0.0 for figure in figures.values())
    if module is not generate_images:
        assert max(figures.values()) <= 1.0
    assert "<svg" in picture.read_text(encoding="utf-8")


def run_example(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.classify_texts", *flags]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False
    )


def test_command_prints_figures_and_names_its_picture(tmp_path: Path) -> None:
    picture = tmp_path / "words.png"
    done = run_example("--epochs=1", f"--picture={picture}")
    assert (done.returncode, done.stderr) == (0, "")
    *figures, last = done.stdout.splitlines()
    assert [line.rsplit("  ", 1)[0].strip() for line in figures] == [
        "bag of words",
        "mean of the words",
        "attention pooling",
    ]
    assert last.endswith(f" s; {picture} shows the attention")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_a_person_can_fix_is_one_line() -> None:
    done = run_example("--data=nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "nowhere/neg.txt cannot be read" in done.stderr


@pytest.mark.parametrize("module", [case.values[0] for case in CASES])
def test_example_is_short_and_has_its_row_in_the_readme(module: ModuleType) -> None:
    lines = Path(str(module.__file__)).read_text(encoding="utf-8").splitlines()
    assert len(lines) < 100
    readme = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert f"python -m {module.__name__}\n" in readme
