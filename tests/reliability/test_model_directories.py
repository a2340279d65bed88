"""Model directories that do not fit: a line each for chat and training, and nothing is changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from chatbot.bot import Chatbot
from chatbot.errors import ChatbotError
from chatbot.training.computation import Computation
from tests.helpers_chat import ROOT
from tests.reliability.conftest import Tally
from tests.trainings import digest_directory, tiny_settings, train, write_pairs

ROW = "model directories"
Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("trained")
    write_pairs(place / "pairs.tsv")
    assert train(place / "model", **tiny_settings(place / "pairs.tsv", max_steps=4)) == 0
    return place


@pytest.fixture
def model_dir(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained / "encoded", tmp_path / "encoded")
    return Path(shutil.copytree(trained / "model", tmp_path / "model"))


def change_config(change: Callable[[dict[str, Any]], object]) -> Change:
    def apply(model_dir: Path) -> None:
        path = model_dir / "config.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        change(values)
        path.write_text(json.dumps(values), encoding="utf-8")

    return apply


def change_bytes(name: str, change: Callable[[bytes], bytes]) -> Change:
    def apply(model_dir: Path) -> None:
        path = model_dir / name
        path.write_bytes(change(path.read_bytes()))

    return apply


def replace_by_directory(name: str) -> Change:
    def apply(model_dir: Path) -> None:
        (model_dir / name).unlink()
        (model_dir / name).mkdir()

    return apply


def replace_by_file(model_dir: Path) -> None:
    shutil.rmtree(model_dir)
    model_dir.touch()


def rename_checkpoint(prefix: str) -> Change:
    """Moves the newest checkpoint elsewhere and names it there, with its true hashes."""

    def apply(model_dir: Path) -> None:
        index = model_dir / "checkpoints.json"
        values = json.loads(index.read_text(encoding="utf-8"))
        newest = values["checkpoints"][-1]
        place = prefix.format(model_dir.parent)
        for name in newest["files"]:
            (model_dir / name).rename(model_dir / (place + name))
        newest["files"] = {place + name: known for name, known in newest["files"].items()}
        newest["name"] = place + newest["name"]
        index.write_text(json.dumps(values), encoding="utf-8")

    return apply


def set_size(name: str, value: object) -> Change:
    return change_config(lambda values: values["model"].update({name: value}))


# {what is wrong: (how it is made so, what the line must say)}
CASES: dict[str, tuple[Change, str]] = {
    "later format": (change_config(lambda v: v.update(format=2)), "has format 2, this program"),
    "no format": (change_config(lambda v: v.pop("format")), "has format None"),
    "format a text": (change_config(lambda v: v.update(format="1")), "has format 1"),
    "unknown section": (change_config(lambda v: v.update(voice={})), "unknown section 'voice'"),
    "unknown key": (set_size("colour", 1), "unknown setting 'colour'"),
    "key of two lines": (set_size("a\nb", 1), "unknown setting"),
    "size out of range": (set_size("rnn_size", 0), "--rnn_size=0 is out of range"),
    "size a text": (set_size("rnn_size", "8"), "not a whole number"),
    "size null": (set_size("num_layers", None), "not a whole number"),
    "larger layers": (set_size("rnn_size", 16), "does not fit the sizes"),
    "smaller words": (set_size("embedding_size", 5), "does not fit the sizes"),
    "more layers": (set_size("num_layers", 2), "does not fit the sizes"),
    "other attention": (set_size("attention", "bahdanau"), "does not fit the sizes"),
    "no attention": (set_size("use_attention", False), "does not fit the sizes"),
    "section null": (change_config(lambda v: v.update(model=None)), "is not an object"),
    "vocabulary null": (change_config(lambda v: v.update(vocabulary=None)), "is not an object"),
    "config cut": (change_bytes("config.json", lambda c: c[: len(c) // 2]), "is not JSON"),
    "config empty": (change_bytes("config.json", lambda c: b""), "is not JSON"),
    "config deep": (change_bytes("config.json", lambda c: b"[" * 100_000), "is not JSON"),
    "config a number": (change_bytes("config.json", lambda c: b"5"), "is not a JSON object"),
    "config not UTF-8": (change_bytes("config.json", lambda c: b"\xff" + c), "is not JSON"),
    "config missing": (lambda d: (d / "config.json").unlink(), "holds no model"),
    "config a directory": (replace_by_directory("config.json"), "cannot be read"),
    "word changed": (
        change_bytes("vocab.txt", lambda c: c.replace(b"hello", b"holla")),
        "is not the vocabulary",
    ),
    "words swapped": (
        change_bytes("vocab.txt", lambda c: b"\n".join([*c.split()[:-2], *c.split()[:-3:-1], b""])),
        "is not the vocabulary",
    ),
    "a word more": (change_bytes("vocab.txt", lambda c: c + b"more\n"), "is not the vocabulary"),
    "a word less": (
        change_bytes("vocab.txt", lambda c: b"\n".join([*c.split()[:-1], b""])),
        "is not the vocabulary",
    ),
    "a word twice": (
        change_bytes("vocab.txt", lambda c: c + c.split()[-1] + b"\n"),
        r"vocab\.txt:\d+: .* is line \d+ already",
    ),
    "a special token missing": (
        change_bytes("vocab.txt", lambda c: c.replace(b"<go>\n", b"")),
        r"vocab\.txt:2: expected <go>",
    ),
    "a word with a blank": (change_bytes("vocab.txt", lambda c: c + b"a b\n"), r"txt:\d+: a line"),
    "words not UTF-8": (change_bytes("vocab.txt", lambda c: c + b"\xff\n"), r"txt:\d+: .*UTF-8"),
    "words cut": (change_bytes("vocab.txt", lambda c: c[:-1]), r"txt:\d+: the last line is cut"),
    "words empty": (change_bytes("vocab.txt", lambda c: b""), r"vocab\.txt:1: the special"),
    "words missing": (lambda d: (d / "vocab.txt").unlink(), "vocabulary cannot be read"),
    "words a directory": (replace_by_directory("vocab.txt"), "vocabulary cannot be read"),
    "index missing": (lambda d: (d / "checkpoints.json").unlink(), "cannot be read"),
    "index a directory": (replace_by_directory("checkpoints.json"), "cannot be read"),
    "checkpoint above": (rename_checkpoint("../"), r"checkpoints\.json is damaged"),
    "checkpoint elsewhere": (rename_checkpoint("{}/"), r"checkpoints\.json is damaged"),
    "checkpoint by a detour": (rename_checkpoint("./"), r"checkpoints\.json is damaged"),
    "a file for the directory": (
        replace_by_file,
        "does not exist|is not a directory|cannot be|Not a directory",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_does_not_fit_is_a_line_for_chat_and_training(
    model_dir: Path, trained: Path, tally: Tally, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change, said = CASES[name]
    monkeypatch.setattr(Computation, "trace", lambda self: None)
    with tally.trying(ROW, 2):
        change(model_dir)
        before = digest_directory(model_dir.parent)
        with pytest.raises(ChatbotError, match=said) as caught:
            Chatbot.load(model_dir)
        assert str(caught.value).isprintable()
        assert str(model_dir) in str(caught.value)
        if name == "config missing":
            return  # to a training, a directory that nothing was begun in
        settings = tiny_settings(trained / "pairs.tsv") if model_dir.is_file() else {"max_steps": 6}
        with pytest.raises(ChatbotError) as caught:
            train(model_dir, **settings)
        assert str(caught.value).isprintable()
        assert str(model_dir) in str(caught.value)
        after = digest_directory(model_dir.parent)
        assert {n: after.get(n) for n in before} == before, "a refusal changes nothing"


def run_program(
    program: str, model_dir: Path, *flags: str, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, program, f"--model_dir={model_dir}", *flags],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("predict.py", "later format"),
        ("predict.py", "larger layers"),
        ("predict.py", "a word twice"),
        ("train.py", "unknown key"),
        ("train.py", "words cut"),
    ],
)
def test_the_programs_end_with_that_line_and_status_2(
    model_dir: Path, tally: Tally, program: str, name: str
) -> None:
    change, said = CASES[name]
    with tally.trying(ROW):
        change(model_dir)
        done = run_program(program, model_dir)
        tally.read(done.stderr)
        assert (done.returncode, done.stdout) == (2, "")
        lines = done.stderr.splitlines()
        assert len(lines) == 1, done.stderr
        line = lines[0]
        assert line.startswith(f"{program}: ")
        with pytest.raises(ChatbotError, match=said):
            raise ChatbotError(line)


def give_up_rights() -> list[str]:
    """The beginning of a command that runs as somebody to whom permissions apply."""
    if os.geteuid():
        return []
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]
    if shutil.which(command[0]) is None or subprocess.run([*command, "true"]).returncode:
        pytest.skip("everything is permitted here, and that cannot be given up")
    return command


@pytest.mark.parametrize("program", ["predict.py", "train.py"])
def test_a_directory_without_permission_is_a_line(
    model_dir: Path, tally: Tally, program: str
) -> None:
    before = give_up_rights()
    model_dir.chmod(0)
    try:
        with tally.trying(ROW):
            done = run_program(program, model_dir, before=before)
            tally.read(done.stderr)
            assert (done.returncode, done.stdout) == (2, "")
            (line,) = done.stderr.splitlines()
            assert "Permission denied" in line
            assert str(model_dir) in line
    finally:
        model_dir.chmod(0o755)
