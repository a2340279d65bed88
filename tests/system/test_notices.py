from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers_chat import ROOT
from tests.trainings import write_pairs

HUSH = "from chatbot.system.notices import hush; hush()"


def run_hushed(code: str, *arguments: str, level: str = "") -> subprocess.CompletedProcess[str]:
    """Runs code in a process that was hushed; `level` is what the person has set."""
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": level, "TF_CONFIG": ""}
    if not level:
        del variables["TF_CPP_MIN_LOG_LEVEL"]
    return subprocess.run(
        [
            sys.executable,
            "-c",
            f"{HUSH}\n{code}",
            *arguments,
        ],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_the_libraries_say_nothing_when_they_are_imported_unless_they_are_asked() -> None:
    code = "import tensorflow as tf, tensorflow_addons; tf.constant(1) + 1"
    assert run_hushed(code).stderr == ""
    assert "cpu_feature_guard.cc" in run_hushed(code, level="0").stderr


# The library's loops, which TensorFlow's planner has had much to say about.
ADDONS = """
import sys
from pathlib import Path
from chatbot.bot import Chatbot
from tests.trainings import tiny_settings, train
place = Path(sys.argv[1])
corpus = str(place / "pairs.tsv")
train(place / "model", **tiny_settings(corpus, validation_corpus=corpus, engine="addons"))
bot = Chatbot.load(place / "model", engine="addons")
bot.replies(["hello"], beam_size=1)
bot.replies(["hello"], beam_size=3)
"""


def test_training_and_searching_by_the_librarys_loops_say_nothing_but_their_own(
    tmp_path: Path,
) -> None:
    write_pairs(tmp_path / "pairs.tsv")
    done = run_hushed(ADDONS, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "step 8: " in done.stderr
    for foreign in (".cc:", "absl::", "rebuild TensorFlow", "Warning", "WARNING"):
        assert foreign not in done.stderr


def test_other_warnings_and_a_traceback_arrive() -> None:
    done = run_hushed("import warnings\nwarnings.warn('odd')\nraise KeyError('why')")
    assert done.returncode == 1
    assert "UserWarning: odd\n" in done.stderr
    assert done.stderr.endswith("KeyError: 'why'\n")
