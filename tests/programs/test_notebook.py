"""Programs run one after the other in one process, as a notebook runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.helpers_chat import ROOT

# Runs program files as a notebook does, in one process; nothing is trained.
NOTEBOOK = """
import os, runpy, sys, types
sys.path.insert(0, {root!r})
lifecycle = types.ModuleType("chatbot.training.run")
def train_directory(model_dir, given, cache_dir, stop, alone):
    print(model_dir, given["corpus"], given.get("rnn_size", "-"))
    if given.get("rnn_size") == 7:
        raise KeyboardInterrupt
    return 0
lifecycle.train_directory = train_directory
sys.modules["chatbot.training.run"] = lifecycle
def run(program, *arguments):
    sys.argv = [program, *arguments]
    try:
        if program.endswith(".py"):
            runpy.run_path(os.path.join({root!r}, program), run_name="__main__")
        else:
            runpy.run_module(program, run_name="__main__")
    except SystemExit as end:
        print(end.code)
"""


def run_notebook(directory: Path, *cells: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join([NOTEBOOK.format(root=str(ROOT)), *cells])],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr.replace(str(ROOT), "")


def test_programs_run_again_in_one_process_and_keep_nothing(tmp_path: Path) -> None:
    said = run_notebook(
        ROOT,
        "run('train.py', '--corpus=a.tsv', '--rnn_size=7', '--verbosity=1')",  # interrupted
        "run('train.py', '--corpus=a.tsv')",
        "run('predict.py', '--plain', '--nothing')",
        f"run('predict.py', '--model_dir={tmp_path}', '--beam_size=0')",
        "run('evaluate.py', '--search=a=b', '--search=c')",
        "run('evaluate.py', '--search=d')",
        "run('train.py', '--corpus=a.tsv', '--nobeam_search=1')",
    )
    assert [line.partition(";")[0] for line in said.splitlines()] == [
        "model/a a.tsv 7",
        "130",
        "model/a a.tsv -",
        "0",
        *["2"] * 5,
        "stopped",
        "predict.py: Unknown command line flag 'nothing'",
        "predict.py: flag --beam_size=0: 0 is not an integer in the range [1, 1000]",
        "evaluate.py: --search=a=b: 'a=b' is no setting of a search",
        "evaluate.py: --search=d: 'd' is no setting of a search",
        "train.py: --nobeam_search=1 does not take an argument",
    ]


def test_train_py_names_the_model_after_its_corpus_and_trains_small_talk_alone(
    tmp_path: Path,
) -> None:
    cells = (
        "run('train.py')",
        "run('train.py', '--rnn_size=10')",
        "run('train.py', '--corpus=~/mine.tsv')",
        "run('train.py', '--corpus=mine.tsv', '--model_dir=here')",
        "run('train.py', '--corpus=')",
    )
    assert run_notebook(ROOT, *cells[:2]).split("\n")[:4] == [
        "model/smalltalk data/smalltalk 128",
        "0",
        "model/smalltalk data/smalltalk 10",
        "0",
    ]
    home = f"os.environ['HOME'] = {str(tmp_path)!r}"
    said = run_notebook(tmp_path, home, *cells)
    assert said.splitlines() == [
        f"{ROOT}/model/smalltalk {ROOT}/data/smalltalk 128",
        "0",
        f"{ROOT}/model/smalltalk {ROOT}/data/smalltalk 10",
        "0",
        f"{ROOT}/model/mine {tmp_path}/mine.tsv -",
        "0",
        "here mine.tsv -",
        "0",
        "2",
        "train.py: there is nothing to learn from; name a corpus with --corpus=FILE",
    ]


def test_predict_py_alone_says_how_to_train(tmp_path: Path) -> None:
    untrained = "import chatbot.programs.predict as predict; predict.BUNDLED = 'model/none'"
    said = run_notebook(tmp_path, untrained, "run('predict.py')")
    assert said == (  # run_notebook leaves the checkout's path out of what is written to stderr
        "2\npredict.py: /model/none does not exist yet; train it in a minute or two with "
        "python /train.py, or name another with --model_dir\n"
    )
