from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHONS = ("python3.11", "python3.10", "python3.13", "python3.12", "python3", "python")

# Stands for a Python and for a whole .venv: answers the probe, makes a .venv of itself, logs what
# pip is asked for, and plays train.py and predict.py, which tell what came by standard input.
FAKE_PYTHON = """#!/bin/sh
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip") echo "$*" >>pip.log; exit "${PIP_STATUS:-0}" ;;
    "-c "*) echo "ANSWER $0" ;;
    "train.py "*)
        echo "training on '$(cat)'"
        mkdir -p model/smalltalk
        touch model/smalltalk/finished.json ;;
    "predict.py "*) echo "reply to $(cat)" ;;
esac
"""


def write_program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def add_python(directory: Path, name: str, answer: str) -> None:
    write_program(directory / name, FAKE_PYTHON.replace("ANSWER", answer))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the toolchain in a path with a blank, with programs/ in place of the PATH."""
    root = tmp_path / "a clone"
    (root / "tools").mkdir(parents=True)
    texts = (path.name for path in ROOT.glob("*.txt"))
    for name in ("Makefile", "tools/venv.sh", *texts):
        shutil.copy(ROOT / name, root / name)
    (root / "programs").mkdir()
    for name in ("sh", "make", "awk", "cat", "cp", "dirname", "find", "mkdir", "rm", "touch"):
        program = shutil.which(name)
        if program is None:
            pytest.skip(f"{name} is not installed")
        (root / "programs" / name).symlink_to(program)
    return root


def run(
    clone: Path, *command: str, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=clone,
        env={"PATH": str(clone / "programs"), **variables},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def choose(clone: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(clone, "tools/venv.sh", "--choose", **variables)


def test_pythons_of_the_library_are_chosen_first_and_the_newest_of_each_kind(clone: Path) -> None:
    versions = ("3.11.2", "3.10.13", "3.13.0", "3.12.3", "3.14.0", "2.7.18")
    for name, version in zip(PYTHONS, versions):
        add_python(clone / "programs", name, f"CPython {version} venv")
    for name in PYTHONS[:4]:
        assert choose(clone).stdout == f"{clone}/programs/{name}\n"
        (clone / "programs" / name).unlink()
    assert choose(clone).returncode == 1


@pytest.mark.parametrize(
    "answer",
    [
        "CPython 3.9.18 venv",
        "CPython 3.14.1 venv",
        "CPython 3.11.2 no-venv",
        "PyPy 3.10.14 venv",
        "CPython 3.110.0 venv",
    ],
)
def test_python_that_does_not_fit_is_passed_over(clone: Path, answer: str) -> None:
    add_python(clone / "programs", "python3.11", answer)
    add_python(clone / "programs", "python3", "CPython 3.10.6 venv")
    assert choose(clone).stdout == f"{clone}/programs/python3\n"


def test_launcher_without_a_python_is_passed_over(clone: Path) -> None:
    launcher = "#!/bin/sh\necho 'pyenv: python3.11: command not found' >&2\nexit 127\n"
    write_program(clone / "programs" / "python3.11", launcher)
    add_python(clone / "programs", "python3.10", "CPython 3.10.13 venv")
    result = choose(clone)
    assert result.stdout == f"{clone}/programs/python3.10\n"
    assert result.stderr == ""


def test_named_python_comes_first(clone: Path) -> None:
    add_python(clone / "programs", "python3.11", "CPython 3.11.7 venv")
    (clone / "my pythons").mkdir()
    add_python(clone / "my pythons", "python", "CPython 3.10.1 venv")
    mine = f"{clone}/my pythons/python"
    assert choose(clone, PYTHON=mine).stdout == f"{mine}\n"


def test_named_python_that_does_not_fit_is_reported(clone: Path) -> None:
    add_python(clone / "programs", "python3.11", "CPython 3.11.7 venv")
    result = choose(clone, PYTHON="no-such-python")
    assert result.stdout == f"{clone}/programs/python3.11\n"
    assert "PYTHON=no-such-python" in result.stderr


def test_without_any_python_one_line_says_what_to_install(clone: Path) -> None:
    result = choose(clone)
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert "found no Python: install one of them and its venv module" in line


def test_only_newer_python_is_named_in_the_one_line(clone: Path) -> None:
    add_python(clone / "programs", "python3", "CPython 3.14.3 venv")
    (line,) = choose(clone).stderr.splitlines()
    assert "found python3 (CPython 3.14.3): install" in line


def test_missing_venv_module_is_named_with_its_package(clone: Path) -> None:
    add_python(clone / "programs", "python3", "CPython 3.10.12 no-venv")
    result = choose(clone)
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1
    assert "3.10.12" in line
    assert "apt install python3-venv (python3.10-venv where" in line


def test_uv_fetches_a_python_where_none_fits(clone: Path) -> None:
    add_python(clone / "programs", "python3", "CPython 3.14.3 venv")
    add_python(clone, "python-of-uv", "CPython 3.11.9 venv")
    uv = '#!/bin/sh\necho "$*" >uv.log\nmkdir -p .venv/bin\ncp python-of-uv .venv/bin/python\n'
    write_program(clone / "programs" / "uv", uv)
    assert run(clone, "tools/venv.sh", "requirements.txt").returncode == 0
    assert (clone / "uv.log").read_text() == "venv --quiet --python 3.11 --seed .venv\n"
    assert "install" in (clone / "pip.log").read_text()


def test_make_chat_trains_once_and_leaves_standard_input_and_output_to_the_chat(
    clone: Path,
) -> None:
    add_python(clone / "programs", "python3.11", "CPython 3.11.7 venv")
    first = run(clone, "make", "chat", stdin="hello\n")
    assert (first.returncode, first.stdout) == (0, "reply to hello\n")
    assert "training on ''" in first.stderr
    second = run(clone, "make", "chat", stdin="hello again\n")
    assert (second.returncode, second.stdout, second.stderr) == (0, "reply to hello again\n", "")
    assert len((clone / "pip.log").read_text().splitlines()) == 1


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt"])
def test_requirements_are_installed_again_only_when_they_change(clone: Path, name: str) -> None:
    add_python(clone / "programs", "python3.11", "CPython 3.11.7 venv")
    run(clone, "make", "chat")
    stamp = clone / ".venv" / ".installed-requirements.txt"
    later = stamp.stat().st_mtime + 10
    os.utime(clone / name, (later, later))
    (clone / ".venv" / "kept").touch()
    assert "installing requirements.txt" in run(clone, "make", "chat").stderr
    assert (clone / ".venv" / "kept").exists()


def test_unfinished_environment_is_made_again(clone: Path) -> None:
    add_python(clone / "programs", "python3.11", "CPython 3.11.7 venv")
    run(clone, "tools/venv.sh", "requirements.txt")
    (clone / ".venv" / "half-written").touch()
    (clone / ".venv" / ".ready").unlink()
    assert "making .venv" in run(clone, "tools/venv.sh", "requirements.txt").stderr
    assert not (clone / ".venv" / "half-written").exists()


def test_environment_whose_python_has_gone_is_made_again(clone: Path) -> None:
    add_python(clone / "programs", "python3.11", "CPython 3.11.7 venv")
    run(clone, "make", "chat")
    python = clone / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/no/such/python")
    result = run(clone, "make", "chat", stdin="hello\n")
    assert "making .venv" in result.stderr
    assert result.stdout == "reply to hello\n"


def test_failed_install_ends_make_and_is_tried_again_in_the_same_environment(clone: Path) -> None:
    add_python(clone / "programs", "python3.11", "CPython 3.11.7 venv")
    failed = run(clone, "make", "chat", stdin="hello\n", PIP_STATUS="1")
    assert failed.returncode != 0
    assert failed.stdout == ""
    again = run(clone, "make", "chat", stdin="hello\n")
    assert again.stdout == "reply to hello\n"
    assert "making .venv" not in again.stderr


def test_make_clean_keeps_model_and_data(clone: Path) -> None:
    add_python(clone / "programs", "python3.11", "CPython 3.11.7 venv")
    for name in ("data/__pycache__", "model/__pycache__", "chatbot/__pycache__", "tests"):
        (clone / name).mkdir(parents=True)
    run(clone, "make", "chat")
    assert run(clone, "make", "clean").returncode == 0
    left = {path.name for path in clone.iterdir()}
    assert {"data", "model", "chatbot", "tests"} <= left
    assert ".venv" not in left
    assert (clone / "model" / "smalltalk" / "finished.json").exists()
    assert (clone / "data" / "__pycache__").exists()
    assert not (clone / "chatbot" / "__pycache__").exists()


def test_make_alone_lists_the_targets(clone: Path) -> None:
    lines = run(clone, "make").stdout.splitlines()
    assert [line.split()[1] for line in lines] == [
        "help",
        "chat",
        "serve",
        "train",
        "gpu",
        "lint",
        "test",
        "test-without-bfloat16",
        "test-reliability",
        "test-web",
        "clean",
    ]
