"""ONNX graphs that are damaged, or that a process was killed over: never answered from."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import tensorflow as tf

from chatbot.lite.files import NAMES, find_graphs
from chatbot.storage.model_directory import ModelDirectory
from tests.helpers_chat import ROOT, make_directory, make_model, run_predict
from tests.reliability.conftest import Tally
from tests.reliability.processes import DYING, finish, start_training, training_flags
from tests.reliability.test_full_disk import LIMITED
from tests.reliability.test_model_directories import give_up_rights
from tests.small_corpora import write_corpus
from tests.terminals import Terminal

ROW = "graphs"
OPERATIONS = (2, 4, 5, 7, 9, 13, 16, 17)
"""Before which file operations a writer is killed; 5, 9, 13 and 17 put a file in its place."""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without graphs."""
    return make_directory(tmp_path_factory.mktemp("bare") / "model").path


@pytest.fixture(scope="module")
def made(bare: Path, tmp_path_factory: pytest.TempPathFactory, tally: Tally) -> Path:
    """The same with graphs, made by a process."""
    path = Path(shutil.copytree(bare, tmp_path_factory.mktemp("made") / "model"))
    expect(path, tally, ["writing "])
    return path


@pytest.fixture
def model_dir(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "model"))


@pytest.fixture(scope="module")
def reply(made: Path) -> bytes:
    """What the model replies, as our own loops find it."""
    done = run_predict(f"--model_dir={made}", "--engine=own", stdin=b"hello\n")
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def start(
    model_dir: Path, before: Sequence[str | Path] = (), *flags: str
) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    command = [sys.executable, *map(str, before), "predict.py", f"--model_dir={model_dir}", *flags]
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe)


def ask(process: subprocess.Popen[bytes], tally: Tally) -> tuple[bytes, list[str]]:
    """Says hello; returns the reply, and the lines on standard error."""
    replied, said = process.communicate(b"hello\n", timeout=200)
    tally.read(said)
    return replied, said.decode().splitlines()


def expect(
    model_dir: Path, tally: Tally, begins: Sequence[str], before: Sequence[str | Path] = ()
) -> bytes:
    """Returns the reply of a process that must say lines which begin so, and no others."""
    process = start(model_dir, before)
    replied, said = ask(process, tally)
    assert process.returncode == 0, said
    assert len(said) == len(begins), said
    assert all(line.startswith(begin) for line, begin in zip(said, begins)), said
    return replied


def list_left(model_dir: Path) -> list[str]:
    return sorted(path.name for path in find_graphs(model_dir, "float32").iterdir())


def test_present_graphs_are_answered_from_without_tensorflow(
    made: Path, reply: bytes, tally: Tally
) -> None:
    with tally.trying(ROW):
        variables = {"PYTHONPROFILEIMPORTTIME": "1"}
        done = run_predict(f"--model_dir={made}", stdin=b"hello\n", variables=variables)
        tally.read(done.stderr)
        assert (done.returncode, done.stdout) == (0, reply)
        loaded = {line.split()[-1] for line in done.stderr.splitlines()}
        assert b"onnxruntime" in loaded
        assert not any(re.match(rb"(tensorflow|keras|onnx)(\.|$)", name) for name in loaded)


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "missing"])
def test_damaged_graphs_are_named_and_made_again(
    model_dir: Path, reply: bytes, tally: Tally, damage: str
) -> None:
    name = {"cut": "step.onnx", "flipped": "encoder.onnx", "missing": "best.onnx"}.get(damage)
    path = find_graphs(model_dir, "float32") / (name or "graphs.json")
    content = path.read_bytes()
    changed = {
        "cut": content[:-9],
        "flipped": bytes([*content[:99], content[99] ^ 4]) + content[100:],
    }
    with tally.trying(ROW, 2):
        path.write_bytes(changed.get(damage, b""))
        if damage == "missing":
            path.unlink()
        assert expect(model_dir, tally, [f"{path} is ", "writing "]) == reply
        assert expect(model_dir, tally, []) == reply


@pytest.fixture
def older(model_dir: Path) -> Path:
    """A model whose training has gone on since its graphs were made."""
    tracked = tf.train.Checkpoint(model=make_model(5))
    ModelDirectory(model_dir).save(tracked, "ckpt", 5, {})
    return model_dir


def test_killed_while_older_ones_are_replaced_is_made_good_by_the_next(
    older: Path, tmp_path: Path, reply: bytes, tally: Tally
) -> None:
    done = run_predict(f"--model_dir={older}", "--engine=own", stdin=b"hello\n")
    assert done.stdout != reply
    for number in OPERATIONS:
        model_dir = Path(shutil.copytree(older, tmp_path / str(number)))
        with tally.trying("kills"):
            process = start(model_dir, [DYING, "graphs", str(number)])
            last_words, _ = ask(process, tally)
            assert process.returncode == -signal.SIGKILL
            assert last_words.startswith(b"died at graphs: ")
            assert (b"rename" in last_words) == (number % 4 == 1)
            assert expect(model_dir, tally, ["writing "]) == done.stdout
            assert list_left(model_dir) == sorted([*NAMES, "graphs.json"])
        assert expect(model_dir, tally, []) == done.stdout


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_while_they_are_written_ends_it_without_a_traceback(
    bare: Path, tmp_path: Path, reply: bytes, tally: Tally, name: str, status: int
) -> None:
    model_dir = Path(shutil.copytree(bare, tmp_path / "model"))
    with tally.trying("stops"):
        process = start(model_dir, [DYING, "graphs", f"8{name}"])
        replied, said = ask(process, tally)
        assert (process.returncode, replied.count(b"\n")) == (status, 1)
        assert [line.split(" ")[0] for line in said] == ["writing", "stopped"][: len(said)]
        assert not any(left.startswith(".writing") for left in list_left(model_dir))
        assert expect(model_dir, tally, ["writing "]) == reply


def test_a_training_stopped_while_they_are_written_goes_on_and_ends(
    tmp_path: Path, tally: Tally
) -> None:
    flags = training_flags(write_corpus(tmp_path / "corpus.tsv"), max_steps=7)
    model_dir = tmp_path / "model"
    with tally.trying("stops", 2):
        for name in ("SIGKILL", "SIGTERM"):
            process = start_training(model_dir, flags, [DYING, "graphs", f"9{name}"])
            said = finish(process, tally, -9 if name == "SIGKILL" else 143)
            assert f"writing {model_dir} as ONNX graphs in float32" in said
            assert not (model_dir / "finished.json").exists()
        said = finish(start_training(model_dir, flags), tally)
        line = f"writing {model_dir} as ONNX graphs in float32, which later starts read"
        assert said.splitlines().count(line) == 1
        assert "finished: " in said.splitlines()[-1]
        assert list_left(model_dir) == sorted([*NAMES, "graphs.json"])
        expect(model_dir, tally, [])


def test_a_disk_that_fills_up_costs_the_graphs_alone(
    bare: Path, tmp_path: Path, reply: bytes, tally: Tally
) -> None:
    model_dir = Path(shutil.copytree(bare, tmp_path / "model"))
    for limit in (100, 2_000, 6_000):
        with tally.trying("full disks"):
            process = start(model_dir, ["-c", LIMITED, str(limit)])
            replied, said = ask(process, tally)
            assert (process.returncode, replied) == (0, reply)
            assert said[-2].startswith("writing ")
            assert said[-1].startswith(f"{model_dir} cannot keep them (File too large); each start")
            assert not any(left.startswith(".writing") for left in list_left(model_dir))
    with tally.trying(ROW):
        assert ask(start(model_dir), tally)[0] == reply
        assert expect(model_dir, tally, []) == reply


def test_processes_that_make_them_at_once_all_reply(
    bare: Path, tmp_path: Path, reply: bytes, tally: Tally
) -> None:
    model_dir = Path(shutil.copytree(bare, tmp_path / "model"))
    with tally.trying(ROW, 3):
        processes = [start(model_dir) for _ in range(3)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"hello\n")
            process.stdin.flush()
        for process in processes:
            replied, said = process.communicate(timeout=200)
            tally.read(said)
            assert (process.returncode, replied) == (0, reply), said
        assert expect(model_dir, tally, []) == reply
        assert list_left(model_dir) == sorted([*NAMES, "graphs.json"])


@pytest.mark.parametrize(
    ("mode", "begins"),
    [
        (
            0o000,
            ["{}/float32/graphs.json cannot be read (Permission", "writing ", "{} cannot keep"],
        ),
        (0o555, ["writing ", "{} cannot keep them (Permission denied); each start"]),
    ],
)
def test_without_permission_it_replies_and_says_so(
    bare: Path, tmp_path: Path, reply: bytes, tally: Tally, mode: int, begins: list[str]
) -> None:
    rights = give_up_rights()
    model_dir = Path(shutil.copytree(bare, tmp_path / "model"))
    graphs = model_dir / "onnx"
    graphs.mkdir()
    graphs.chmod(mode)
    try:
        with tally.trying(ROW):
            command = [*rights, sys.executable, "predict.py", f"--model_dir={model_dir}"]
            done = subprocess.run(
                command, cwd=ROOT, input=b"hello\n", capture_output=True, timeout=200, check=False
            )
            tally.read(done.stderr)
            assert (done.returncode, done.stdout) == (0, reply)
            said = done.stderr.decode().splitlines()
            expected = [begin.replace("{}/", f"{graphs}/") for begin in begins]
            expected = [begin.replace("{}", str(model_dir)) for begin in expected]
            assert len(said) == len(expected)
            assert all(line.startswith(begin) for line, begin in zip(said, expected)), said
    finally:
        graphs.chmod(0o755)


@pytest.mark.parametrize("end", ["2>&-", "2>/dev/full"])
def test_nobody_has_to_read_what_is_said(
    bare: Path, tmp_path: Path, reply: bytes, tally: Tally, end: str
) -> None:
    model_dir = Path(shutil.copytree(bare, tmp_path / "model"))
    with tally.trying("readers that go away"):
        command = [sys.executable, "predict.py", f"--model_dir={model_dir}"]
        done = subprocess.run(
            ["bash", "-c", f'"$@" {end}', "bash", *command],
            cwd=ROOT,
            input=b"hello\n",
            capture_output=True,
            timeout=200,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, reply, b"")
        assert list_left(model_dir) == sorted([*NAMES, "graphs.json"])


def test_what_the_programs_refuse_is_one_line(model_dir: Path, tally: Tally) -> None:
    for path in (*model_dir.glob("ckpt-*"), model_dir / "checkpoints.json"):
        path.unlink()
    (find_graphs(model_dir, "float32") / "step.onnx").write_bytes(b"")
    asked = {
        ("predict.py", "--engine=auto"): "step.onnx is not what graphs.json says; export the ",
        ("predict.py", "--engine=own"): "has graphs alone; reply with --engine=onnx",
        ("train.py", "--engine=onnx"): "--engine=onnx replies but does not train",
    }
    for (program, flag), said in asked.items():
        with tally.trying(ROW):
            done = subprocess.run(
                [sys.executable, program, f"--model_dir={model_dir}", flag],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=200,
                check=False,
            )
            tally.read(done.stderr)
            assert (done.returncode, done.stdout) == (2, "")
            (line,) = done.stderr.splitlines()
            assert line.startswith(f"{program}: ")
            assert said in line


def test_what_is_said_while_a_prompt_is_shown_stands_above_it(
    bare: Path, tmp_path: Path, tally: Tally
) -> None:
    """Types half a line before the graphs are made and the rest after it."""
    model_dir = Path(shutil.copytree(bare, tmp_path / "model"))
    with tally.trying(ROW):
        terminal = Terminal(model_dir, tmp_path)
        try:
            terminal.wait_for(b"> ", 100)
            terminal.type(b"hel")
            before = terminal.wait_for(b"writing " + os.fsencode(model_dir), 100)
            # Up to the left edge, then all below is cleared: the prompt and what was typed.
            assert re.search(rb"hel.*\x1b\[5D\x1b\[J.*\Z", before, re.DOTALL)
            after = terminal.wait_for(b"onnxruntime", 100)
            assert b"which later starts read\r\n" in after
            assert b"> \x1b[0mhel " in after
            terminal.type(b"lo\r")
            shown = terminal.wait_for(b"greedy", 100) + terminal.wait_for(b"> ", 100)
            terminal.type(b"\x04")
            assert terminal.wait(100) == 0
            tally.read(before + after + shown)
        finally:
            terminal.close()


def test_an_exported_model_chats_on_a_terminal(
    model_dir: Path, tmp_path: Path, tally: Tally
) -> None:
    for path in (*model_dir.glob("ckpt-*"), model_dir / "checkpoints.json"):
        path.unlink()
    with tally.trying(ROW):
        terminal = Terminal(model_dir, tmp_path)
        try:
            terminal.wait_for(b"> ", 100)
            terminal.type(b"hello\r")
            shown = terminal.wait_for(b"beam 3", 100) + terminal.wait_for(b"> ", 100)
            tally.read(shown)
            terminal.type(b"\x04")
            assert terminal.wait(100) == 0
        finally:
            terminal.close()
