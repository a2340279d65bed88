"""export.py as people run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers_chat import ROOT, make_directory


def run_export(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "export.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_directory(tmp_path_factory.mktemp("models") / "pip").path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "pairs.tsv"
    path.write_text("hello\thi\nΟΔΟΣ\thi\n你好\thi\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("form", "said", "files"),
    [
        ("saved_model", "1 of 3 queries (33.33%) are cut into other tokens", "1"),
        ("tflite", "0 of 3 queries (0.00%) have another greedy reply", "chatbot.tflite vocab.txt"),
    ],
)
def test_a_model_is_written_and_compared(
    form: str, said: str, files: str, model_dir: Path, corpus: Path, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    flags = f"--model_dir={model_dir} --format={form} --output={output} --corpus={corpus}"
    done = run_export(*flags.split())
    assert (done.returncode, done.stdout) == (0, f"wrote {output}\n{said}\n"), done.stderr
    assert done.stderr == ""
    expected = sorted(["MODEL_CARD.md", "README.md", *files.split()])
    assert sorted(path.name for path in output.iterdir()) == expected


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--output=out", "no format is named; choose --format=onnx or saved_model or tflite"),
        ("--format=tflite", "nothing says where to write; name a directory with --output=DIR"),
        ("--format=pickle --output=out", "flag --format=pickle: value should be one of"),
        ("--format=tflite --output=a://b", "--output=a://b is an address"),
        ("--format=tflite --output=out --corpus=/none", "/none: the corpus does not exist"),
        ("--format=tflite --output=out --beam_size=0", "flag --beam_size=0"),
    ],
)
def test_a_mistake_is_one_line_before_tensorflow_is_loaded(flags: str, said: str) -> None:
    done = run_export(*flags.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"export.py: {said}")
    assert done.stderr.count("\n") == 1


def test_a_refusal_is_one_line_too(model_dir: Path, tmp_path: Path) -> None:
    flags = f"--model_dir={model_dir} --format=saved_model --output={tmp_path / 'out'} --sample"
    done = run_export(*flags.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "export.py: --format=saved_model cannot sample; write the beam with --nosample\n"
    )
    assert not (tmp_path / "out").exists()
