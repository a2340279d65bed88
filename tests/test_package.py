"""The wheel, built and installed where no checkout is, and an editable install of the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy
import pytest

import chatbot

ROOT = Path(__file__).parents[1]
TINY = (
    "--rnn_size=8 --embedding_size=8 --max_steps=2 --max_reply_length=3 --precision=float32"
).split()


def run(*command: str | Path, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def pip(*arguments: str | Path) -> None:
    """Runs pip with the build backend of this environment, offline."""
    command = [sys.executable, "-m", "pip", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr


def make_environment(place: Path, *installed: str | Path) -> Path:
    """Makes an environment with the chatbot and, by reference, what it needs; returns its bin/."""
    venv.create(place)
    python = place / "bin" / "python"
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "needed.pth").write_text(str(Path(numpy.__file__).parents[1]))
    pip("--python", python, "install", "--no-deps", "--no-build-isolation", *installed)
    return python.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", place, ROOT)
    (built,) = place.iterdir()
    return built


def test_the_wheel_holds_the_package_and_the_bundled_data_and_nothing_else(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "chatbot").rglob("*.py")}
    names = ("smalltalk/**/*.jsonl", "*.flags")
    tables = (f"{name}/**/*.tsv" for name in ("smalltalk", "summarising", "translation"))
    corpora = {path for name in (*names, *tables) for path in (ROOT / "data").glob(name)}
    data = {f"chatbot/{path.relative_to(ROOT)}" for path in corpora}
    page = {str(path.relative_to(ROOT)) for path in (ROOT / "chatbot/serving/page").iterdir()}
    assert len(data) > 60
    assert code | data | page < held
    others = {name for name in held - code - data - page if ".dist-info/" not in name}
    texts = ("chatbot/data/README.md", "chatbot/data/smalltalk/held_out/README.md")
    assert others == {"chatbot/py.typed", *texts}


def test_an_installed_chatbot_learns_and_talks_without_a_checkout(
    wheel: Path, tmp_path: Path
) -> None:
    bin_, place = make_environment(tmp_path / "environment", wheel), tmp_path / "a place"
    place.mkdir()
    assert (
        run(bin_ / "chatbot", "--version", cwd=place).stdout == f"chatbot {chatbot.__version__}\n"
    )
    said = run(bin_ / "chatbot", "train", *TINY, cwd=place).stderr
    assert "now run chatbot predict --model_dir=model/smalltalk\n" in said
    assert os.listdir(place) == ["model"]
    talk = run(bin_ / "chatbot", "predict", cwd=place, stdin="hello\n你好\n")
    assert talk.stderr == ""
    assert talk.stdout.count("greedy  ") == 2
    again = run(bin_ / "python", "-m", "chatbot", "predict", cwd=place, stdin="hello\n你好\n")
    assert again.stdout == talk.stdout
    assert not list((tmp_path / "environment").rglob("model"))


def test_an_editable_install_is_the_checkout(tmp_path: Path) -> None:
    bin_ = make_environment(tmp_path / "environment", "--editable", ROOT)
    code = "import chatbot.system.paths as p; print(p.PROJECT, p.find_in_project('model/x'))"
    assert run(bin_ / "python", "-c", code, cwd=tmp_path).stdout == f"{ROOT} {ROOT}/model/x\n"
    assert "usage: chatbot train [" in run(bin_ / "chatbot", "train", "--help", cwd=tmp_path).stdout
