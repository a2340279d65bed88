"""What all programs have in common: odd command lines, readers that go away, a second run."""

from __future__ import annotations

import contextlib
import importlib
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chatbot.programs
from chatbot.errors import ChatbotError
from chatbot.programs import flags
from tests.helpers_chat import ROOT
from tests.trainings import write_pairs

PROGRAMS = [f"chatbot.programs.{name}" for name in chatbot.programs.PROGRAMS]
NAMES = (
    "beam_search plain use_attention rnn_size dropout attention corpus model_dir search flagfile "
    "undefok verbosity logger_levels help"
).split()
words = st.sampled_from(["", "=", "=true", "=1e999", "=9" * 5000, "=\0", "=~", "=a://b", "=\ud800"])
arguments = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "-", "--", "---", "--no", "--nono"]),
    st.sampled_from([*NAMES, ""]),
    words | st.text(max_size=9).map("={}".format),
)


def find_definitions(program: str) -> Callable[[], None]:
    found: Callable[[], None] = importlib.import_module(program).define_flags
    return found


def parse_or_refuse(*given_ones: str) -> None:
    """Fails where anything but what `run` makes one line of is raised."""
    with contextlib.suppress(ChatbotError):
        assert flags.parse(["program.py", *given_ones]) == ["program.py"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_command_line_is_a_traceback(program: str) -> None:
    flags._define_anew(find_definitions(program))
    given(st.lists(arguments | st.text(), max_size=4).map(tuple))(
        lambda given_ones: parse_or_refuse(*given_ones)
    )()


def test_no_flag_file_is_a_traceback(tmp_path: Path) -> None:
    flags._define_anew(find_definitions("chatbot.programs.predict"))
    file = tmp_path / "odd.flags"

    @given(st.lists(arguments | st.text(max_size=9), max_size=4), st.binary(max_size=9))
    def check(lines: list[str], end: bytes) -> None:
        file.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass") + end)
        parse_or_refuse(f"--flagfile={file}")
        parse_or_refuse("--flagfile", str(file), "-flagfile")

    check()
    file.write_text("--beam_size=3", encoding="utf-16")
    with pytest.raises(ChatbotError, match="a file of --flagfile is not UTF-8"):
        flags.parse(["predict.py", f"--flagfile={file}"])


@pytest.mark.parametrize("program", [x for x in PROGRAMS if not x.endswith(".serve")])
def test_a_negated_flag_with_a_value_is_refused(program: str) -> None:
    flags._define_anew(find_definitions(program))
    with pytest.raises(ChatbotError, match=r"^--nobeam_search=true does not take an argument; see"):
        flags.parse(["program.py", "--nobeam_search=true"])
    flags.parse(["program.py", "--nobeam_search"])
    assert flags.FLAGS.beam_search is False
    flags.parse(["program.py"])
    assert flags.FLAGS.beam_search is True


def run_shell(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program, `"$@"` in the command, in a shell."""
    return subprocess.run(
        ["bash", "-c", command, "bash", sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(
    "program",
    [
        "train.py",
        "predict.py",
        "evaluate.py",
        "export.py",
        "-m chatbot",
        "-m chatbot train",
        "-m tools.first_pairs",
        "-m tools.draw_examples",
    ],
)
def test_help_that_nobody_can_read_ends_quietly_or_in_one_line(program: str) -> None:
    command = '"$@" | head -n 0; a=${PIPESTATUS[0]}; "$@" >/dev/full; b=$?; "$@" >&-; echo $a $b $?'
    done = run_shell(command, *program.split(), "--help")
    assert done.stdout == "0 2 2\n"
    lines = done.stderr.splitlines()
    assert [line.partition(": ")[2].partition("(")[0] for line in lines] == [
        "standard output cannot be written "
    ] * 2


def run_module(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_shell('"$@"', "-m", "chatbot", *arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "python -m chatbot: no program is named; choose one of train, predict, "),
        (["talk\n"], "python -m chatbot: 'talk\\n' is not a program; choose one of train, "),
        (["--corpus=a"], "python -m chatbot: '--corpus=a' is not a program; choose one of train, "),
        (
            ["train", "--rnn_sise=8"],
            "python -m chatbot train: Unknown command line flag 'rnn_sise'",
        ),
    ],
)
def test_a_wrong_command_is_one_line_and_status_2(arguments: list[str], said: str) -> None:
    done = run_module(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_help_and_version_of_the_programs_together_and_each() -> None:
    whole = run_module("--help").stdout
    assert whole.startswith("usage: python -m chatbot PROGRAM [--flag=value ...]\n")
    for name, what in chatbot.programs.PROGRAMS.items():
        assert f"  {name:10}{what}\n" in whole
    own = run_module("train", "--help").stdout
    assert "\nusage: python -m chatbot train [--flag=value ...]\n" in own
    for arguments in (["-m", "chatbot"], ["-m", "chatbot", "predict"], ["evaluate.py"]):
        done = run_shell('"$@" --version', *arguments)
        assert (done.stdout, done.stderr) == (f"chatbot {chatbot.__version__}\n", "")


# Writes to standard error in every way there is, and ends well only if nothing of it fails.
TALKATIVE = """
import ctypes, logging as python_logging, os, sys, warnings
from absl import logging
from chatbot.programs.flags import run
from chatbot.system.notices import hushed
from tqdm import tqdm
def main(_):
    with hushed():
        talk()
    talk()
    return 7
def talk():
    print("print", file=sys.stderr, flush=True)
    sys.stderr.write("write" * 100_000)
    logging.warning("absl")
    python_logging.getLogger("other").error("other")
    warnings.warn("warning")
    for _ in tqdm(range(3), mininterval=0):
        tqdm.write("above", file=sys.stderr)
    os.system("echo shell >&2")
    with open(sys.argv[0] + "/kept", "w") as file:
        assert os.fstat(2).st_ino != os.fstat(file.fileno()).st_ino
    ctypes.CDLL(None).dprintf(2, b"from C++")
sys.argv = sys.argv[1:2]
run(main, "Talks.", lambda: None)
"""


@pytest.mark.parametrize(
    "end", ["2>&-", "2>/dev/full", "2>&1 | head -c 20", "<&- 2>&-", "2>&1", ">/dev/full"]
)
def test_nobody_reading_is_no_reason_to_stop(end: str, tmp_path: Path) -> None:
    done = run_shell(
        f'export PYTHONUNBUFFERED=1; "$@" {end}; exit ${{PIPESTATUS[0]}}',
        "-c",
        TALKATIVE,
        str(tmp_path),
    )
    assert done.returncode == 7, done.stderr
    assert done.stderr == "" or end == ">/dev/full"
    assert (tmp_path / "kept").read_bytes() == b""
    if end == "2>&1":
        for word in ("print", "absl", "other", "warning", "above", "shell", "from C++"):
            assert word in done.stdout


CRASHING = """
import ctypes
from chatbot.programs.flags import run
run(lambda _: ctypes.string_at(0), "Crashes.", lambda: None)
"""


def test_a_crash_says_where() -> None:
    done = run_shell('"$@"; exit $?', "-c", CRASHING)
    assert done.returncode == 128 + signal.SIGSEGV
    assert "Segmentation fault" in done.stderr
    assert "in string_at" in done.stderr


def test_a_training_that_nobody_watches_is_finished(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs.tsv")
    (tmp_path / "tiny.flags").write_text(
        "--corpus=~/pairs.tsv\n--model_dir=~/model\n--rnn_size=8\n--embedding_size=8\n"
        "--batch_size=3\n--max_steps=12\n--validation_corpus=~/pairs.tsv\n--precision=float32\n"
    )
    command = 'export HOME="$2"; "$1" train.py --flagfile=~/tiny.flags 2>&1 | head -c 100; '
    done = run_shell(f"{command} exit ${{PIPESTATUS[0]}}", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "model" / "finished.json").exists()
    assert (tmp_path / "model" / "ckpt-12.index").exists()
