from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from chatbot.settings.config import (
    PLAIN,
    SECTIONS,
    Config,
    SearchConfig,
)

ROOT = Path(__file__).parents[2]


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, program, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )


def assert_refused(done: subprocess.CompletedProcess[str], *named: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert all(name in lines[0] for name in named), lines[0]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--rnn_size=0"], "rnn_size"),
        (["--learning_rate=nan"], "learning_rate"),
        (["--attention=global"], "attention"),
        (["--rnn_sise=8"], "rnn_size"),
        (["corpus.tsv"], "'corpus.tsv' is not a flag"),
        (["--flagfile=nowhere.flags"], "nowhere.flags"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(arguments: list[str], named: str) -> None:
    assert_refused(run("train.py", *arguments), "train.py: ", named)


@pytest.mark.parametrize("program", ["train.py", "predict.py"])
def test_help_shows_every_flag_and_ends_well(program: str) -> None:
    done = run(program, "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    default = "" if program == "train.py" else "  (default: model/smalltalk)"
    assert f"  --model_dir=PATH{default}\n" in done.stdout
    kinds = SECTIONS.values() if program == "train.py" else [SearchConfig]
    for kind in kinds:
        for item in fields(kind):
            assert f"{item.name}" in done.stdout
            assert " ".join(item.metadata["help"].split()[:3]) in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "<auto|" not in done.stdout  # the choices are in the flag's own line


def test_alias_of_the_number_of_epochs() -> None:
    program = "from chatbot.programs import train; train.define_flags(); f = train.FLAGS; "
    done = run("-c", f"{program} f(['', '--numEpochs=7']); print(f.num_epochs)")
    assert done.stdout == "7\n", done.stderr


def read_flag_file(name: str) -> dict[str, Any]:
    program = (
        "import json; from chatbot.programs import train; "
        "from chatbot.programs.flags import given_settings; train.define_flags(); "
        f"train.FLAGS(['', '--flagfile=data/{name}']); print(json.dumps(given_settings()))"
    )
    done = run("-c", program)
    return dict(json.loads(done.stdout))


def test_small_talk_flag_file_keeps_its_meaning_whatever_the_defaults_become() -> None:
    given = read_flag_file("smalltalk.flags")
    assert (ROOT / given["corpus"]).is_dir()
    named = {
        "rnn_size": 128,
        "num_layers": 1,
        "embedding_size": 128,
        "bidirectional": True,
        "context_turns": 3,
        "random_context": 0.1,
        "min_count": 1,
        "subwords": "bpe",
        "vocab_size": 6000,
        "subword_sampling": 0.02,
        "subword_sampling_side": "query",
        "reply_vocabulary": True,
        "dropout": 0.0,
        "embedding_dropout": 0.05,
        "output_dropout": 0.0,
        "word_dropout": 0.0,
        "attention": "bahdanau",
        "learning_rate": 0.008,
        "learning_rate_schedule": "linear",
        "warmup_steps": 0,
        "average_decay": 0.99,
        "batch_size": 128,
        "num_epochs": 5,
        "max_length": 30,
    }
    assert {name: given.get(name) for name in named} == named


def test_dialogue_flag_file_brings_the_search_of_varied_replies() -> None:
    varied = read_flag_file("varied_replies.flags")
    SearchConfig().resolve(varied)  # they do not contradict one another
    assert any(PLAIN[name] != value for name, value in varied.items() if name in PLAIN)
    given = read_flag_file("dailydialog.flags")
    assert varied.items() < given.items()
    Config().replace(given).check_together()


@pytest.mark.parametrize("task", ["translation", "summarising"])
def test_flag_file_of_a_task_learns_its_corpus_and_validates_on_what_is_held_out(task: str) -> None:
    given = read_flag_file(f"{task}.flags")
    assert given["corpus"] == f"data/{task}"
    assert given["validation_corpus"] == f"data/{task}/held_out"
    assert (given["context_turns"], given["bidirectional"], given["mmi_weight"]) == (1, True, 0)
    Config().replace(given).check_together()
