from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatbot.bot import Chatbot
from chatbot.chat.conversation import Conversation
from chatbot.system.terminal import UNSAFE
from tests.helpers_chat import ROOT, make_directory, make_hostile_lines, read_line, run_predict
from tests.terminals import Terminal

TRACEBACK = b"Traceback"


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    make_directory(path)
    Chatbot.load(path)  # writes the graphs that replies are read from
    return path


def test_help_names_the_formula_and_loads_nothing() -> None:
    done = run_predict("--help", variables={"PYTHONPROFILEIMPORTTIME": "1"})
    text = " ".join(done.stdout.decode().split())
    assert done.returncode == 0
    assert "log_prob / ((5 + tokens) / 6) ** length_penalty" in text
    for flag in ("--model_dir=", "--input=", "--output=", "--beam_size=", "--[no]beam_search"):
        assert flag in text
    loaded = done.stderr.splitlines()
    assert all(line.startswith(b"import time:") for line in loaded)
    assert any(line.endswith(b" chatbot.programs.flags") for line in loaded)
    assert not any(b"tensorflow" in line for line in loaded)


@pytest.mark.parametrize(
    ("flag", "thing"),
    [
        ("--model_dir={}/none", b"does not exist"),
        ("--beam_size=0", b"beam_size"),
        ("--input={}/none", b"cannot be read"),
        ("--output={}/none/out", b"cannot be written"),
        ("--nothing", b"nothing"),
        ("words", b"words"),
    ],
)
def test_what_a_person_can_fix_is_one_line(
    flag: str, thing: bytes, tmp_path: Path, model_dir: Path
) -> None:
    done = run_predict(f"--model_dir={model_dir}", flag.format(tmp_path), stdin=b"hello\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert thing in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_answered_plainly(model_dir: Path) -> None:
    hostile = [line for line in make_hostile_lines(40) if not line.startswith(b"/")]
    lines = [b"hello", "你好".encode(), b"", *hostile, b"/help", b"/beam 2", b"hello"]
    done = run_predict(f"--model_dir={model_dir}", stdin=b"\n".join(lines))  # no last line end
    assert (done.returncode, done.stderr) == (0, b"")
    answers = done.stdout.decode().split("\n\n")
    assert answers.pop() == ""
    assert len(answers) == len(lines)
    assert UNSAFE.search(done.stdout.decode().replace("\n", "")) is None
    assert [row[:6] for row in answers[0].split("\n")] == ["greedy", "beam 1", "beam 2", "beam 3"]
    assert "log_prob" in answers[1]
    assert answers[2] == "say something, or /help"
    assert len(answers[-1].split("\n")) == 3


def test_plain_is_the_tutorials_search_whatever_the_models_is(tmp_path: Path) -> None:
    usual, other = tmp_path / "usual", tmp_path / "other"
    make_directory(usual)
    shutil.copytree(usual, other)
    config = json.loads((other / "config.json").read_text())
    config["search"] |= {"sample": True, "min_reply_length": 4, "no_repeat_ngram": 2}
    (other / "config.json").write_text(json.dumps(config))
    bot = Chatbot.load(usual)
    rows = ["".join(part.text for part in row) for row in Conversation(lambda: bot).answer("hello")]
    plain, sampled = (
        run_predict(f"--model_dir={other}", "--plain", *flags, stdin=b"hello\n").stdout.decode()
        for flags in ((), ("--sample",))
    )
    assert plain.splitlines() == [*rows, ""]
    assert "sample 1" in sampled


def test_lines_become_json_in_a_file(model_dir: Path, tmp_path: Path) -> None:
    hostile = make_hostile_lines(100)
    (tmp_path / "in").write_bytes(b"\n".join(hostile))
    done = run_predict(
        f"--model_dir={model_dir}",
        f"--input={tmp_path / 'in'}",
        f"--output={tmp_path / 'out'}",
        "--beam_size=2",
        "--max_reply_length=3",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    answers = [json.loads(line) for line in (tmp_path / "out").read_bytes().split(b"\n")[:-1]]
    assert [answer["query"] for answer in answers] == [read_line(line) for line in hostile]
    assert {len(answer["beam"]) for answer in answers} <= {1, 2}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_head_and_ctrl_c_end_it_quietly(model_dir: Path, tmp_path: Path) -> None:
    """Answers one line while the pipe stays open, then is interrupted; another meets a head."""
    arguments = [sys.executable, "predict.py", f"--model_dir={model_dir}", "--nobeam_search"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*arguments, "--input=-"], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe
    ) as talker:
        assert talker.stdin is not None
        assert talker.stdout is not None
        assert talker.stderr is not None
        talker.stdin.write(b"hello\n")
        talker.stdin.flush()
        assert json.loads(talker.stdout.readline())["beam"] == []
        talker.send_signal(signal.SIGINT)
        assert talker.wait(20) == 130
        assert talker.stderr.read() == b"stopped\n"
    command = '(while echo hello; do :; done 2>/dev/null) | "$@" | head -n 1; exit ${PIPESTATUS[1]}'
    done = subprocess.run(
        ["bash", "-c", command, "bash", *arguments], cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"greedy  ")


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def test_a_conversation_on_a_terminal(
    model_dir: Path, tmp_path: Path, terminals: list[Terminal]
) -> None:
    terminal = Terminal(model_dir, tmp_path)
    terminals.append(terminal)
    terminal.wait_for(b"> ")  # the prompt may be there before the model is
    terminal.type("hello 你好\x1b[31m\r".encode())
    shown = terminal.wait_for(b"beam 3") + terminal.wait_for(b"> ")
    assert b"\x1b[31m" not in shown
    assert b"cuda" not in shown.lower()
    terminal.type(b"/greedy\r")
    terminal.wait_for(b"alone")
    terminal.wait_for(b"> ")
    terminal.type(b"secret\x03")
    terminal.wait_for(b"Ctrl-D or /quit leaves")
    terminal.wait_for(b"> ")
    terminal.type(b"\x1b[A\x1b[A\r")  # two lines back in the history
    terminal.wait_for(b"greedy  ")
    terminal.wait_for(b"> ")
    terminal.type(b"\x04")
    assert terminal.wait() == 0
    history = (tmp_path / ".local/state/chatbot/history").read_text(encoding="utf-8")
    assert history.split("\n")[:2] == ["hello 你好", "/greedy"]


def test_leaving_does_not_wait_for_the_model(
    model_dir: Path, tmp_path: Path, terminals: list[Terminal]
) -> None:
    terminal = Terminal(model_dir, tmp_path)
    terminals.append(terminal)
    terminal.wait_for(b"> ")
    terminal.type(b"/quit\r")
    terminal.wait_for(b"bye")
    assert terminal.wait() == 0


def test_a_damaged_model_ends_the_prompt_with_one_line(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    directory = make_directory(tmp_path / "model")
    (directory.path / "vocab.txt").write_bytes(b"other\n")
    terminal = Terminal(directory.path, tmp_path)
    terminals.append(terminal)
    shown = terminal.wait_for(b"vocab.txt")
    assert TRACEBACK not in shown
    assert terminal.wait() == 2
