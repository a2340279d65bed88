"""Damaged checkpoints: named, passed over for the one before, never replaced by fresh weights."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.bot import Chatbot
from chatbot.errors import ChatbotError
from chatbot.training.computation import Computation
from chatbot.training.trainer import Trainer
from tests.helpers_chat import run_predict, take_model
from tests.reliability.conftest import Tally
from tests.trainings import assert_same_weights, tiny_settings, train, write_pairs

ROW = "damaged checkpoints"
INDEX, DATA = ".index", ".data-00000-of-00001"
NEWEST, BEFORE = "ckpt-8", "ckpt-6"
WHOLE = frozenset({INDEX, DATA})
# What is done, to which of the newest checkpoint's files, how many times at other places.
KINDS: tuple[tuple[str, frozenset[str], int], ...] = (
    ("flip", frozenset({INDEX}), 6),
    ("flip", frozenset({DATA}), 6),
    ("cut", frozenset({INDEX}), 2),
    ("cut", frozenset({DATA}), 2),
    ("append", frozenset({INDEX}), 2),
    ("append", frozenset({DATA}), 2),
    ("remove", frozenset({INDEX}), 1),
    ("remove", frozenset({DATA}), 1),
    ("remove", WHOLE, 1),
    ("empty", frozenset({INDEX}), 1),
    ("empty", frozenset({DATA}), 1),
    ("swap", frozenset({INDEX}), 1),
    ("swap", frozenset({DATA}), 1),
    ("swap", WHOLE, 1),
    ("directory", frozenset({INDEX}), 1),
    ("directory", frozenset({DATA}), 1),
)
CASES = [
    (kind, parts, f"{kind} {' '.join(sorted(parts))} {turn}")
    for kind, parts, count in KINDS
    for turn in range(count)
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training stopped at its 8th step, beside its corpus; copy the model before damaging it."""
    place = tmp_path_factory.mktemp("trained")
    write_pairs(place / "pairs.tsv")
    assert train(place / "model", **tiny_settings(place / "pairs.tsv", max_steps=8)) == 0
    shutil.rmtree(place / "model" / "onnx")  # a chat would reply from them (see test_graphs)
    assert {path.name for path in (place / "model").glob("ckpt-*")} == {
        name + part for name in (NEWEST, BEFORE) for part in WHOLE
    }
    return place


@pytest.fixture
def model_dir(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained / "encoded", tmp_path / "encoded")
    return Path(shutil.copytree(trained / "model", tmp_path / "model"))


def damage(model_dir: Path, kind: str, part: str, seed: str) -> None:
    """Damages one file of the newest checkpoint."""
    chance = random.Random(seed)
    path = model_dir / (NEWEST + part)
    content = bytearray(path.read_bytes())
    if kind == "flip":
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del content[chance.randrange(1, len(content)) :]
    elif kind == "append":
        content += chance.randbytes(chance.randrange(1, 100))
    elif kind == "empty":
        content.clear()
    elif kind == "swap":
        content[:] = (model_dir / (BEFORE + part)).read_bytes()
    path.unlink()
    if kind == "directory":
        path.mkdir()
    elif kind != "remove":
        path.write_bytes(content)


def read_tensors(model_dir: Path, name: str) -> dict[str, Any]:
    """Every tensor of a checkpoint, as TensorFlow's own reader finds it."""
    reader = tf.train.load_checkpoint(str(model_dir / name))
    return {
        key: reader.get_tensor(key)
        for key in reader.get_variable_to_shape_map()
        if key.endswith("VARIABLE_VALUE")
    }


def assert_holds(tracked: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    assert tracked
    for key, value in tracked.items():
        np.testing.assert_array_equal(value, expected[key], err_msg=key)


def write_and_read(path: Path, **tracked: Any) -> dict[str, Any]:
    """The values of variables under the keys that they have in a checkpoint."""
    tf.train.Checkpoint(**tracked).write(str(path))
    return read_tensors(path.parent, path.name)


def begin_again(monkeypatch: pytest.MonkeyPatch, model_dir: Path) -> dict[str, Any]:
    """Goes on with a training up to its next step; returns every weight and slot."""
    found: dict[str, Any] = {}

    def look(self: Trainer, _: object) -> None:
        tracked = {"model": self._tracked.model, "optimizer": self._tracked.optimizer}
        found.update(write_and_read(model_dir.parent / "seen", **tracked), step=self.step)

    with monkeypatch.context() as patch:
        patch.setattr(Computation, "trace", lambda self: None)
        patch.setattr(Trainer, "run", look)
        train(model_dir, max_steps=10)
    return found


@pytest.mark.parametrize(("kind", "parts", "seed"), CASES, ids=[case[2] for case in CASES])
def test_a_damaged_newest_is_named_and_the_one_before_is_used(
    model_dir: Path,
    tally: Tally,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    parts: frozenset[str],
    seed: str,
) -> None:
    assert len(CASES) == 30
    with tally.trying(ROW):
        for part in sorted(parts):
            damage(model_dir, kind, part, seed)
        named = {str(model_dir / (NEWEST + part)) for part in parts}
        expected = read_tensors(model_dir, BEFORE)

        bot = Chatbot.load(model_dir, engine="own")
        (said,) = caplog.messages
        assert f"skipping checkpoint {NEWEST}: " in said
        assert any(path in said for path in named)
        assert_holds(write_and_read(model_dir.parent / "bot", model=take_model(bot)), expected)

        caplog.clear()
        found = begin_again(monkeypatch, model_dir)
        assert any(path in said for path in named for said in caplog.messages)
        assert found.pop("step") == 6
        assert any("optimizer" in key for key in found)
        assert_holds(found, expected)


def test_what_was_lost_is_trained_again_to_the_same_end(
    model_dir: Path, tmp_path: Path, tally: Tally
) -> None:
    with tally.trying(ROW):
        whole = tmp_path / "whole"
        shutil.copytree(model_dir, whole)
        damage(model_dir, "flip", DATA, "again")
        assert train(model_dir, max_steps=10) == train(whole, max_steps=10) == 0
        assert_same_weights(model_dir, whole)


def test_all_damaged_is_one_refusal(model_dir: Path, tally: Tally) -> None:
    with tally.trying(ROW, 2):
        for path in model_dir.glob("ckpt-*"):
            path.write_bytes(path.read_bytes()[:-1])
        before = {path.name: path.read_bytes() for path in model_dir.glob("ckpt-*")}
        for use in (Chatbot.load, lambda path: train(path, max_steps=10)):
            with pytest.raises(ChatbotError, match=r"every checkpoint in .* is damaged") as caught:
                use(model_dir)
            assert str(caught.value).isprintable()
            assert str(model_dir) in str(caught.value)
        assert {path.name: path.read_bytes() for path in model_dir.glob("ckpt-*")} == before


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """Changes the newest checkpoint's entry in the index."""

    def damage_index(content: bytes) -> bytes:
        values = json.loads(content)
        change(values["checkpoints"][-1])
        return json.dumps(values).encode()

    return damage_index


INDEXES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "cut by its last sign": lambda content: content.rstrip()[:-1],
    "no JSON": lambda content: b"PK\x03\x04" + content,
    "no UTF-8": lambda content: content.replace(b"ckpt", b"\xff\xfe"),
    "NULs": lambda content: bytes(len(content)),
    "deep": lambda content: b"[" * 200_000,
    "a list": lambda content: b"[]",
    "another object": lambda content: b"{}",
    "null": lambda content: b'{"checkpoints": null}',
    "a text": lambda content: b'{"checkpoints": "ckpt-8"}',
    "numbers": lambda content: b'{"checkpoints": [8]}',
    "empty entries": lambda content: b'{"checkpoints": [{}]}',
    "unknown key": edit(lambda entry: entry.update(colour="red")),
    "missing key": edit(lambda entry: entry.pop("files")),
    "name a number": edit(lambda entry: entry.update(name=8)),
    "step a text": edit(lambda entry: entry.update(step="8")),
    "step missing a value": edit(lambda entry: entry.update(step=None)),
    "files a list": edit(lambda entry: entry.update(files=[])),
    "no files": edit(lambda entry: entry.update(files={})),
    "file without a hash": edit(lambda entry: entry.update(files={NEWEST + INDEX: [5]})),
    "file with a text": edit(lambda entry: entry.update(files={NEWEST + INDEX: "5a"})),
    "size a text": edit(lambda entry: entry["files"][NEWEST + INDEX].__setitem__(0, "5")),
    "perplexity a text": edit(lambda entry: entry.update(validation_perplexity="low")),
    "progress null": edit(lambda entry: entry.update(progress=None)),
    "files of another": edit(lambda entry: entry.update(name=BEFORE)),
}


@pytest.mark.parametrize("name", INDEXES)
def test_a_damaged_index_is_one_line_and_nothing_is_begun_again(
    model_dir: Path, tally: Tally, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with tally.trying(ROW):
        index = model_dir / "checkpoints.json"
        content = INDEXES[name](index.read_bytes())
        index.write_bytes(content)
        for use in (Chatbot.load, lambda path: begin_again(monkeypatch, path)):
            with pytest.raises(ChatbotError, match=r"checkpoints\.json") as caught:
                use(model_dir)
            assert str(caught.value).isprintable()
        assert index.read_bytes() == content
        assert len(list(model_dir.glob("ckpt-*"))) == 4


@pytest.mark.parametrize(
    ("name", "value"), [("losses", "many"), ("steps", None), ("tokens", True), ("colour", 5)]
)
def test_damaged_progress_stops_a_training_and_no_chat(
    model_dir: Path, tally: Tally, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    with tally.trying(ROW):
        index = model_dir / "checkpoints.json"
        change = edit(lambda entry: entry["progress"].update({name: value}))
        index.write_bytes(change(index.read_bytes()))
        bot = Chatbot.load(model_dir, engine="own")
        expected = read_tensors(model_dir, NEWEST)
        assert_holds(write_and_read(model_dir.parent / "bot", model=take_model(bot)), expected)
        with pytest.raises(ChatbotError, match=r"checkpoints\.json"):
            begin_again(monkeypatch, model_dir)


def test_the_programs_say_it_in_a_line_each(model_dir: Path, trained: Path, tally: Tally) -> None:
    with tally.trying(ROW, 2):
        damage(model_dir, "flip", DATA, "process")
        done = run_predict(f"--model_dir={model_dir}", stdin=b"hello\n")
        tally.read(done.stderr)
        assert done.returncode == 0
        said, then = done.stderr.decode().splitlines()
        assert f"skipping checkpoint {NEWEST}: {model_dir / (NEWEST + DATA)} is damaged" in said
        assert then.startswith("writing ")
        assert done.stdout.startswith(b"greedy")

        damage(model_dir, "cut", INDEX, "process")
        shutil.copy(trained / "pairs.tsv", model_dir.parent)
        (model_dir / (BEFORE + INDEX)).unlink()
        done = run_predict(f"--model_dir={model_dir}", stdin=b"hello\n")
        tally.read(done.stderr)
        assert (done.returncode, done.stdout) == (2, b"")
        said = done.stderr.decode().splitlines()[-1]
        assert said.startswith("predict.py: ")
        assert str(model_dir) in said
