from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import chatbot.programs.evaluate as program
from chatbot.bot import Chatbot
from chatbot.corpus import Pair
from chatbot.errors import ChatbotError
from chatbot.evaluation.comparison import evaluate_directories
from tests.trainings import PAIRS as LEARNED
from tests.trainings import tiny_settings, train, write_pairs


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, what it learned from, and a corpus of which it has seen three of five pairs."""
    place = tmp_path_factory.mktemp("trained")
    settings = tiny_settings(write_pairs(place / "pairs.tsv"), max_steps=2)
    assert train(place / "model", **settings) == 0
    write_pairs(place / "asked.tsv", [*LEARNED[:3], ("hello", "no"), ("<b>", "你好 <i>")])
    return place


def give_flags(place: Path, **flags: Any) -> SimpleNamespace:
    given = {
        "model_dir": [str(place / "model")],
        "corpus": str(place / "asked.tsv"),
        "corpus_format": "tsv",
        "encoding": "auto",
        "columns": "",
        "limit": 0,
        "search": [],
        "json_file": "",
        "report": "",
        "examples": 0,
        "held_out": "",
        "task": "chat",
        "hits_candidates": 3,
        "hits_queries": 0,
    }
    return SimpleNamespace(**{**given, **flags})


def test_the_program_measures_compares_and_writes(trained: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "evaluate.py",
        f"--model_dir={trained / 'model'}",
    ]
    command += [f"--corpus={trained / 'asked.tsv'}", "--corpus_format=tsv", "--beam_size=2"]
    command += ["--search=wide:beam_size=4", "--search=beam_size=1,max_reply_length=1"]
    command += [f"--json_file={tmp_path / 'figures.json'}", f"--report={tmp_path / 'page'}"]
    done = subprocess.run(
        [*command, "--examples=1"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    assert "TensorFlow" not in done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert (figures["pairs"], figures["pairs_unseen"], figures["seen_share"]) == (5, 2, 0.6)
    assert figures["perplexity"] != figures["perplexity_unseen"]
    assert list(figures["searches"]) == [
        "greedy",
        "beam 2",
        "wide",
        "beam_size=1,max_reply_length=1",
    ]
    assert figures["searches"]["beam_size=1,max_reply_length=1"]["mean_length"] <= 1
    assert [note.partition(",")[0].partition(" on ")[0] for note in figures["notes"]] == [
        "computed by onnxruntime in float32",
        "the pairs come from 5 dialogues",
        "the unseen pairs come from 2 dialogues",
    ]
    for name in ("Perplexity, unseen pairs", "Replies, unseen pairs", "wide", "tok:none"):
        assert name in done.stdout
    assert "| query | greedy | beam 2 | wide |" in done.stdout
    page = (tmp_path / "page" / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert "你好 &lt;i&gt;" in page


def test_several_models_are_compared(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    older = tmp_path / "older"
    older.mkdir()
    for path in (trained / "model").iterdir():
        if path.name != "training_pairs.u64" and path.is_file():
            (older / path.name).write_bytes(path.read_bytes())
    names = [str(trained / "model"), str(older)]
    target = tmp_path / "figures.json"
    flags = give_flags(trained, model_dir=names, json_file=str(target), limit=4)
    monkeypatch.setattr(program, "FLAGS", flags)
    assert program.main([]) == 0
    models = json.loads(target.read_text(encoding="utf-8"))["models"]
    assert list(models) == names
    known, unknown = models.values()
    assert known["pairs"] == unknown["pairs"] == 4
    assert known["perplexity"] == unknown["perplexity"]
    assert (known["seen_share"], unknown["seen_share"]) == (0.75, None)
    assert "older version" in unknown["notes"][1]
    assert "from_first" not in known
    difference = unknown["from_first"]
    assert (difference["model"], difference["pairs"], difference["unseen"]) == (names[0], 4, None)
    assert difference["perplexity"] == {"difference": 0.0, "interval": None}
    assert list(difference["searches"]) == list(unknown["searches"])
    assert difference["searches"]["greedy"]["bleu"]["difference"] == 0.0
    said = capsys.readouterr().out
    assert said.count(names[1]) > 3
    assert "Replies, unseen pairs" in said
    assert f"Differences from {names[0]}" in said


def test_a_task_has_its_own_figures_and_all_references_of_a_query(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    write_pairs(tmp_path / "asked.tsv", [("hello", "你好"), ("how?", "这样"), ("Hello", "您好")])
    flags = give_flags(trained, corpus=str(tmp_path / "asked.tsv"), examples=1)
    for task, header, signature in (
        ("translation", ["search", "BLEU", "chrF", "length", "ratio"], "tok:zh"),
        ("summarising", ["search", "ROUGE-1", "ROUGE-2", "ROUGE-L", "as"], "rouge by rouge-score"),
    ):
        shown = SimpleNamespace(**{**vars(flags), "task": task, "report": str(tmp_path / task)})
        monkeypatch.setattr(program, "FLAGS", shown)
        assert program.main([]) == 0
        said = capsys.readouterr().out
        lines = said.splitlines()
        place = next(n for n, line in enumerate(lines) if line.startswith("Replies, all pairs"))
        assert lines[place + 1].split()[:5] == header
        assert said.count(signature) == 1
        assert "| 你好 / 您好 |" in said
        assert not [word for word in ("distinct", "people", "Hits") if word in said]
        page = (tmp_path / task / "report.html").read_text(encoding="utf-8")
        assert "on 3 pairs" in page
        assert signature in page
        rows = [line.split() for line in lines if line.startswith("lead  ")]
        assert bool(rows) == ('<td class="name">lead</td>' in page) == (task == "summarising")
        assert said.count("lead: the first 2 words") == bool(rows)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"task": "translation", "held_out": "x"}, "--task=translation has no --held_out, "),
        ({"search": ["beam_size=0"]}, "--search=beam_size=0: "),
        ({"model_dir": ["m", "./m/"]}, "names a directory twice"),
        ({"json_file": "missing/figures.json"}, "missing/figures.json cannot be written"),
        ({"json_file": "."}, r"\. cannot be written"),
        ({"report": __file__}, "is not a directory"),
        ({"corpus": "missing.tsv"}, "missing.tsv: the corpus does not exist"),
    ],
)
def test_mistakes_are_found_before_a_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any], message: str
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("loaded")

    write_pairs(tmp_path / "asked.tsv")
    monkeypatch.setattr(Chatbot, "load", refuse)
    monkeypatch.setattr(program, "FLAGS", give_flags(tmp_path, **flags))
    with pytest.raises(ChatbotError, match=message) as caught:
        program.main([])
    assert "\n" not in str(caught.value)


def test_damaged_hashes_are_one_clear_line(trained: Path, tmp_path: Path) -> None:
    copied = tmp_path / "model"
    copied.mkdir()
    for path in (trained / "model").iterdir():
        if path.is_file():
            (copied / path.name).write_bytes(path.read_bytes())
    (copied / "training_pairs.u64").write_bytes(bytes(9))
    with pytest.raises(ChatbotError, match=r"training_pairs\.u64 is damaged"):
        evaluate_directories([str(copied)], [Pair("hello", "no", 0)], [])
