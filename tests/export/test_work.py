"""The directory that an export writes: whole or absent, with a card; and what is refused."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from chatbot.engines.tensorflow import find_model
from chatbot.errors import ChatbotError
from chatbot.export import tflite
from chatbot.export.card import write_card
from chatbot.export.directory import write_directory
from chatbot.export.work import export_model
from chatbot.storage.model_directory import ModelDirectory
from chatbot.text import Vocabulary
from tests.export.helpers import make_bot
from tests.helpers_chat import CONFIG, ROOT, WORDS, make_directory, make_model

STORED = ROOT / "tests" / "stored_model"


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_directory(tmp_path_factory.mktemp("models") / "pip").path)


def list_all(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces the conversion, which takes a second, by a line."""

    def write(bot: Any, place: Path, quantize: str) -> list[str]:
        (place / "model").write_text(f"{bot.config.search.beam_size} {quantize}")
        return ["how to use it"]

    monkeypatch.setattr(tflite, "write", write)


@pytest.mark.usefixtures("written")
def test_a_new_or_an_empty_directory_is_filled(model_dir: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for name in ("new", "link"):
        assert export_model(model_dir, str(tmp_path / name), "tflite", "int8") == ""
    for name in ("new", "empty"):
        assert list_all(tmp_path / name) == ["MODEL_CARD.md", "README.md", "model"]
        assert (tmp_path / name / "model").read_text() == "1 int8"
        readme = (tmp_path / name / "README.md").read_text()
        title = "pip, a chatbot as a TFLite model with weights in int8"
        assert readme == f"# {title}\n\nhow to use it\n"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("what", ["a file", "a full directory", "nothing around it"])
def test_what_is_there_already_is_refused_and_kept(
    what: str, model_dir: str, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    if what == "a file":
        output.write_text("mine")
    elif what == "a full directory":
        output.mkdir()
        (output / "mine").write_text("mine")
    else:
        output /= "inner"
    before = list_all(tmp_path)
    with pytest.raises(ChatbotError, match=r"--output=.*(name|make)"):
        export_model(model_dir, str(output), "tflite")
    assert list_all(tmp_path) == before


FULL = OSError(errno.ENOSPC, "No space left on device")


def fail_amid(place: Path, error: Exception) -> None:
    (place / "half").write_text("half")
    raise error


@pytest.mark.parametrize("error", [FULL, tf.errors.ResourceExhaustedError(None, None, "No space")])
def test_a_failure_leaves_nothing(error: Exception, tmp_path: Path) -> None:
    with (
        pytest.raises(ChatbotError, match=r"output cannot be written \(No space"),
        write_directory(str(tmp_path / "output")) as place,
    ):
        fail_amid(place, error)
    assert list_all(tmp_path) == []


def test_whoever_was_first_keeps_the_directory(tmp_path: Path) -> None:
    with (
        pytest.raises(ChatbotError, match="cannot be written"),
        write_directory(str(tmp_path / "output")),
    ):
        shutil.copytree(STORED, tmp_path / "output")
    assert [path.name for path in tmp_path.iterdir()] == ["output"]
    assert list_all(tmp_path / "output") == list_all(STORED)


def test_an_export_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), write_directory(str(tmp_path / "output")):
        raise KeyboardInterrupt
    assert list_all(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("saved_model", "int8"),
            "--format=saved_model has no --quantize=int8; .*--format=onnx or tflite",
        ),
        (("saved_model", "", {"sample": True}), "cannot sample"),
        (("tflite", "", {"beam_size": 5}), "greedy search alone, no --beam_size"),
        (("tflite", "", {"min_reply_length": 9}), "is above --max_reply_length=4"),
    ],
)
def test_what_cannot_be_exported_is_refused_by_name(
    arguments: tuple[Any, ...], said: str, model_dir: str, tmp_path: Path
) -> None:
    with pytest.raises(ChatbotError, match=said):
        export_model(model_dir, str(tmp_path / "output"), *arguments)
    assert list_all(tmp_path) == []


def test_a_directory_without_a_model_or_checkpoint_or_numbers_is_refused(tmp_path: Path) -> None:
    output = str(tmp_path / "output")
    with pytest.raises(ChatbotError, match="does not exist"):
        export_model(str(tmp_path / "none"), output, "tflite")
    fresh = ModelDirectory(tmp_path / "fresh")
    fresh.create(CONFIG, Vocabulary(WORDS))
    with pytest.raises(ChatbotError, match="has no checkpoint yet"):
        export_model(str(fresh.path), output, "tflite")
    model = make_model()
    model.projection.bias.assign(np.full([len(WORDS)], np.nan))
    fresh.save(tf.train.Checkpoint(model=model), "ckpt", 1, {})
    with pytest.raises(ChatbotError, match="some of the weights are not numbers"):
        export_model(str(fresh.path), output, "tflite")
    assert not (tmp_path / "output").exists()


def test_the_card_says_what_the_model_directory_knows(tmp_path: Path) -> None:
    shutil.copytree(STORED, tmp_path / "greeter")
    directory = ModelDirectory(tmp_path / "greeter")
    (report,) = (
        found
        for found in map(json.loads, directory.metrics_path.read_text().splitlines())
        if found["step"] == 300
    )
    with directory.metrics_path.open("a") as file:
        file.write(
            '{"step": 300, "validation_perplexity": 2.5}\n{"step": 600, "perplexity": 9.5}\n'
        )
    place = tmp_path / "output"
    place.mkdir()
    (place / "weights").write_bytes(bytes(1_260_000))
    bot = make_bot(diverse_groups=3, num_layers=2, max_length=12, use_attention=False)
    count = sum(int(tf.size(variable)) for variable in find_model(bot.searcher).trainable_variables)
    card = write_card(directory, bot, "a TFLite model", place)
    for line in (
        "# greeter",
        "A chatbot as a TFLite model, 1.3 MB; written by chatbot 1.0.0.",
        "- LSTM encoder and decoder, 2 x 8 units each, no attention",
        f"- {count:,} weights; {len(WORDS)} words, vectors of 6",
        "- reads one turn of a dialogue, 12 tokens of each",
        "- 12 pairs of query and reply",
        "- 300 steps",
        f"- perplexity of the training pairs, dropout included: {report['perplexity']:.2f}",
        "- perplexity of the validation pairs: 2.50",
        "- `beam_size`: 3",
        "- `diverse_groups`: 3",
    ):
        assert line in card.splitlines()
    assert "9.50" not in card
    assert "`mmi_weight`" not in card
    assert "depends on the licence" in card


def test_a_card_needs_neither_reports_nor_the_name_of_a_corpus(
    model_dir: str, tmp_path: Path
) -> None:
    card = write_card(ModelDirectory(model_dir), make_bot(), "a SavedModel", tmp_path)
    assert "- its name is not known\n" in card
    assert "perplexity" not in card
    assert "0.0 MB" in card
