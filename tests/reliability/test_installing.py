"""An empty environment and pip are enough: about a minute, and 2 GB of disk."""

from __future__ import annotations

import re
import shlex
import venv
from pathlib import Path

from chatbot.export.work import export_model
from tests.helpers_chat import make_directory
from tests.test_package import ROOT, TINY, run


def test_pip_brings_all_that_the_chatbot_needs(tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", with_pip=True)
    programs = tmp_path / "environment" / "bin"
    run(programs / "pip", "install", "--quiet", ROOT, cwd=tmp_path)
    run(programs / "pip", "check", cwd=tmp_path)
    run(programs / "chatbot", "train", *TINY, cwd=tmp_path)
    talk = run(programs / "chatbot", "predict", cwd=tmp_path, stdin="hello\n")
    assert talk.stdout.startswith("greedy  ")
    assert talk.stderr == ""


def test_an_exported_model_needs_what_its_readme_installs(tmp_path: Path) -> None:
    make_directory(tmp_path / "model")
    export_model(str(tmp_path / "model"), str(tmp_path / "out"), "onnx", "int8")
    readme = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    install, talk = re.findall(r"```sh\n(.*)\n(.*)\n```", readme)[0]
    assert talk == "python ."
    venv.create(tmp_path / "environment", with_pip=True)
    programs = tmp_path / "environment" / "bin"
    pip, *arguments = shlex.split(install)
    run(programs / pip, *arguments, "--quiet", cwd=tmp_path)
    done = run(programs / "python", ".", cwd=tmp_path / "out", stdin="hello\n")
    assert done.stdout.startswith("greedy  ")
    assert done.stderr == ""
    listed = run(programs / "pip", "list", "--format=freeze", cwd=tmp_path).stdout
    assert "tensorflow" not in listed
    assert "numpy==" in listed
