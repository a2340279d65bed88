"""The exported directory: a chat where there is only numpy and onnxruntime."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatbot.bot import Chatbot
from chatbot.corpus import Pair
from chatbot.errors import ChatbotError
from chatbot.evaluation.comparison import check_directory, evaluate_directories
from chatbot.export.work import export_model
from tests.export.helpers import QUERIES
from tests.helpers_chat import make_directory

ALONE = """
import sys
class OnlyTwo:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in {*sys.stdlib_module_names, "__main__", "chatbot", "numpy", "onnxruntime"}:
            raise ModuleNotFoundError(f"no {name} here", name=name)
sys.meta_path.insert(0, OnlyTwo())
"""
"""Lets Python import itself, the exported program and the two packages."""


@pytest.fixture(scope="module", params=["", "int8"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("export")
    make_directory(place / "model")
    export_model(str(place / "model"), str(place / "out"), "onnx", request.param)
    return place / "out"


def run_alone(code: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs code in the directory where there are only the two packages."""
    # Isolated from this checkout, but not from the two packages.
    command = [sys.executable, "-c", f"{ALONE}\nsys.path.insert(0, '.')\n{code}"]
    return subprocess.run(
        command, cwd=cwd, input=stdin, capture_output=True, text=True, check=False, timeout=100
    )


def test_it_chats_with_two_packages(exported: Path) -> None:
    bot = Chatbot.load(exported)
    code = "import runpy; runpy.run_path('.', run_name='__main__')"
    done = run_alone(code, exported, "".join(f"{query}\n" for query in ("hello", "", "你好")))
    assert (done.returncode, done.stderr) == (0, "")
    answers = done.stdout.split("\n\n")
    for query, answer in zip(("hello", "你好"), answers):
        greedy, *beam = [line[10:] for line in answer.split("\n")]
        assert greedy == bot.greedy(query).text
        assert beam == [reply.text for reply in bot.reply(query)]
    assert answers[2:] == [""]


def test_its_replies_are_the_models(exported: Path) -> None:
    bot, model = Chatbot.load(exported), Chatbot.load(exported.parent / "model", engine="own")
    same = 0
    for query in QUERIES:
        found, expected = bot.reply(query), model.reply(query)
        same += [r.text for r in found] == [r.text for r in expected]
        if "int8" not in bot.engine:
            logs = [r.log_prob for r in expected]
            assert [r.log_prob for r in found] == pytest.approx(logs, abs=1e-4)
    assert same == len(QUERIES) or ("int8" in bot.engine and same > len(QUERIES) / 2)


def test_the_readme_runs(exported: Path) -> None:
    text = (exported / "README.md").read_text(encoding="utf-8")
    (shell,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert shell.splitlines()[1] == "python ."
    imported, load = re.findall(r"`(from chatbot [^`]*|Chatbot\.load[^`]*)`", text)
    done = run_alone(f"{imported}\nprint({load}[0])", exported)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{Chatbot.load(exported).reply('hello')[0]}\n"


def test_it_is_a_model_directory_without_a_checkpoint(exported: Path) -> None:
    names = {path.name for path in exported.iterdir()}
    expected = {"config.json", "vocab.txt", "onnx", "chatbot", "__main__.py"}
    assert names == {*expected, "README.md", "MODEL_CARD.md"}
    for engine in ("own", "addons"):
        with pytest.raises(ChatbotError, match="has graphs alone; reply with --engine=onnx"):
            Chatbot.load(exported, engine=engine)


def test_it_is_not_exported_again(exported: Path, tmp_path: Path) -> None:
    for name in ("onnx", "saved_model"):
        with pytest.raises(ChatbotError, match="is an export itself and has no checkpoint; name"):
            export_model(str(exported), str(tmp_path / "again"), name)


def test_it_is_evaluated_as_any_other(exported: Path) -> None:
    names = [str(exported.parent / "model"), str(exported)]
    for name in names:
        check_directory(name, [])
    pairs = [Pair(query, "hi", number) for number, query in enumerate(QUERIES)]
    found = evaluate_directories(names, pairs, [])
    assert [each.figures["pairs"] for each in found] == [len(QUERIES)] * 2


def test_an_argument_is_refused_instead_of_ignored(exported: Path) -> None:
    code = "import runpy; sys.argv = ['.', '--engine=own']; "
    done = run_alone(f"{code}runpy.run_path('.', run_name='__main__')", exported, "hello\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("--engine=own: this takes no arguments; ")


@pytest.mark.parametrize("damage", ["cut", "gone", "index"])
def test_what_is_damaged_is_refused_in_one_line(
    damage: str, exported: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    subprocess.run(["cp", "-r", str(exported), str(broken)], check=True)
    (step,) = broken.glob("onnx/*/step.onnx")
    if damage == "cut":
        step.write_bytes(step.read_bytes()[:-1])
    elif damage == "gone":
        step.unlink()
    else:
        index = step.parent / "graphs.json"
        described: dict[str, Any] = json.loads(index.read_text())
        index.write_text(json.dumps({**described, "format": 0}))
    done = run_alone("import runpy; runpy.run_path('.', run_name='__main__')", broken, "hello\n")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    if damage != "index":
        assert "step.onnx" in done.stderr
    assert "export the model again" in done.stderr
