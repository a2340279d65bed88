from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ENGINES
from tests.helpers_chat import ROOT
from tests.trainings import write_pairs

HUSHED = "from chatbot.system.notices import hushed\nwith hushed():\n    "


def run_hushed(
    code: str, *arguments: str, level: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs code whose first line is hushed in a process; `level` is what the person has set."""
    unset = "TF_CPP_MIN_LOG_LEVEL", "TF_USE_LEGACY_KERAS", "TF_CONFIG", "TF_ENABLE_ONEDNN_OPTS"
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    if level:
        environment["TF_CPP_MIN_LOG_LEVEL"] = level
    return subprocess.run(
        [sys.executable, "-c", HUSHED + code, *arguments],
        cwd=ROOT,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


# Imports what there is, computes, and saves what it has computed.
SAVE = """import tensorflow as tf
import importlib.util, sys
from absl import logging
if importlib.util.find_spec("tensorflow_addons"):
    import tensorflow_addons
logging.set_verbosity("info")
tf.train.Checkpoint(x=tf.Variable(tf.constant(1.0) + 1)).save(sys.argv[1])
"""


def test_tensorflow_says_nothing_from_its_import_to_a_checkpoint_unless_it_is_asked(
    tmp_path: Path,
) -> None:
    assert run_hushed(SAVE, str(tmp_path / "ckpt")).stderr == ""
    said = run_hushed(SAVE, str(tmp_path / "ckpt"), level="0").stderr
    assert "port.cc" in said
    assert "cpu_feature_guard.cc" in said


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN is TensorFlow's on x86 alone")
@pytest.mark.parametrize(
    ("variables", "expected"), [({}, True), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, False)]
)
def test_onednn_computes_the_products_on_every_processor_unless_it_is_switched_off(
    variables: dict[str, str], expected: bool
) -> None:
    code = "from tensorflow.python.framework import test_util\nprint(test_util.IsMklEnabled())"
    assert run_hushed(code, **variables).stdout == f"{expected}\n"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Keras 2 is light and the library needs it")
def test_keras_and_matplotlib_are_not_imported_unless_they_are_asked_for() -> None:
    code = "import tensorflow\nimport sys\nprint({'keras', 'matplotlib'} & {*sys.modules})"
    done = run_hushed(code)
    assert (done.stdout, done.stderr) == ("set()\n", "")
    assert "'keras'" in run_hushed(code, TF_USE_LEGACY_KERAS="0").stdout


@pytest.mark.parametrize("engine", ENGINES)
def test_training_and_searching_say_nothing_but_their_own(engine: str, tmp_path: Path) -> None:
    code = f"""from chatbot.bot import Chatbot
from pathlib import Path
from tests.trainings import tiny_settings, train
place, corpus = Path({str(tmp_path)!r}), {str(write_pairs(tmp_path / "pairs.tsv"))!r}
settings = tiny_settings(corpus, validation_corpus=corpus, engine={engine!r})
train(place / "model", **settings)
bot = Chatbot.load(place / "model", engine={engine!r})
bot.replies(["hello"], beam_size=1)
bot.replies(["hello"], beam_size=3)
"""
    done = run_hushed(code)
    assert done.returncode == 0, done.stderr
    assert "step 8: " in done.stderr
    for foreign in (".cc:", "absl::", "rebuild TensorFlow", "Warning", "WARNING", "microseconds"):
        assert foreign not in done.stderr


# What C++ and Python write while TensorFlow is imported: notices, and what is none.
MIXED = r"""
    import os, sys, warnings
    os.write(2, b"I0000 00:00:1795667992.799167   22838 port.cc:153] oneDNN\n")
    os.write(2, b"F0000 00:00:1795667992.799167   22838 port.cc:153] why it ends\n")
    os.write(2, b"\xff no text, and a line that port.cc:153] does not begin\n")
    warnings.warn("odd")
"""


def test_other_lines_and_a_traceback_arrive_in_their_order() -> None:
    done = run_hushed(f"pass{MIXED}    raise KeyError('why')".replace("\\xff", "~"))
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    if sys.version_info >= (3, 12):
        assert "oneDNN" not in done.stderr
        assert lines[0].endswith("why it ends")
        assert lines[1].startswith("~ no text")
    assert "UserWarning: odd\n" in done.stderr
    assert lines[-1] == "KeyError: 'why'"


@pytest.mark.parametrize("end", [signal.SIGABRT, signal.SIGKILL])
def test_a_crash_while_tensorflow_is_imported_loses_no_line(end: signal.Signals) -> None:
    done = run_hushed(f"pass{MIXED}    os.kill(os.getpid(), {end:d})".replace("\\xff", "~"))
    assert done.returncode == -end
    assert "why it ends\n~ no text" in done.stderr
    assert "UserWarning: odd\n" in done.stderr


def test_other_warnings_and_a_traceback_arrive_afterwards() -> None:
    done = run_hushed("pass\nimport warnings\nwarnings.warn('odd')\nraise KeyError('why')")
    assert done.returncode == 1
    assert "UserWarning: odd\n" in done.stderr
    assert done.stderr.endswith("KeyError: 'why'\n")
