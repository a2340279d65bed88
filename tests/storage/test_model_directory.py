from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from chatbot.errors import ChatbotError
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import Config, CorpusConfig, ModelConfig
from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.files import ASIDE
from chatbot.text import SPECIAL_TOKENS, Vocabulary

CONFIG = Config(model=ModelConfig(rnn_size=8, embedding_size=6))
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, "hello", "bye"])


@pytest.fixture
def directory(tmp_path: Path) -> ModelDirectory:
    made = ModelDirectory(tmp_path / "model")
    made.create(CONFIG, VOCABULARY)
    return made


def track(value: float) -> tf.train.Checkpoint:
    return tf.train.Checkpoint(weight=tf.Variable([float(value)] * 2))


def read(directory: ModelDirectory, which: str) -> float:
    tracked, checkpoint = track(0.0), getattr(directory, which)()
    directory.restore(tracked, checkpoint, whole=True)
    return float(tracked.weight[0])


def test_settings_and_words_come_back(directory: ModelDirectory) -> None:
    config, vocabulary = directory.load()
    assert config == CONFIG
    assert vocabulary.words == VOCABULARY.words


def test_best_and_newest_are_kept_and_the_rest_deleted(directory: ModelDirectory) -> None:
    for step, perplexity in [(1, 9.0), (2, 5.0), (3, 7.0), (4, 8.0), (5, None)]:
        directory.save(track(step), "ckpt", step, {"best": 5.0}, perplexity)
    assert [checkpoint.step for checkpoint in directory.checkpoints()] == [2, 4, 5]
    assert read(directory, "best") == 2.0
    assert read(directory, "newest") == 5.0
    assert {path.name.partition(".")[0] for path in directory.path.glob("ckpt-*")} == {
        "ckpt-2",
        "ckpt-4",
        "ckpt-5",
    }


def test_without_validation_the_best_is_the_newest(directory: ModelDirectory) -> None:
    directory.save(track(1), "ckpt", 1, {})
    directory.save(track(2), "ckpt", 2, {})
    assert read(directory, "best") == 2.0


def test_progress_comes_back_to_the_last_bit(directory: ModelDirectory) -> None:
    progress = {"losses": 0.1 + 0.2, "tokens": 7, "best": None}
    directory.save(track(1), "ckpt", 1, progress)
    assert directory.checkpoints()[0].progress == progress


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
@pytest.mark.parametrize("part", [".index", ".data-00000-of-00001"])
def test_a_damaged_newest_gives_way_to_the_one_before(
    directory: ModelDirectory, damage: str, part: str
) -> None:
    directory.save(track(1), "ckpt", 1, {})
    directory.save(track(2), "ckpt", 2, {})
    path = directory.path / f"ckpt-2{part}"
    content = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content if damage == "flip" else content[:-1])
    assert read(directory, "newest") == 1.0


def test_after_damage_new_checkpoints_replace_the_damaged_future(
    directory: ModelDirectory,
) -> None:
    for step, perplexity in [(10, 5.0), (20, 6.0), (30, 7.0)]:
        directory.save(track(step), "ckpt", step, {}, perplexity)
    for step in (20, 30):
        (directory.path / f"ckpt-{step}.index").unlink()
    assert read(directory, "newest") == 10.0
    directory.save(track(15), "ckpt", 15, {}, 5.5)
    assert read(directory, "newest") == 15.0
    assert [checkpoint.step for checkpoint in directory.checkpoints()] == [10, 15]
    assert not list(directory.path.glob("ckpt-30*"))


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"checkpoints": [{}]}', '{"checkpoints": [5]}', '{"checkpoints": null}'],
)
def test_a_damaged_index_is_one_line_and_no_fresh_start(
    directory: ModelDirectory, content: str
) -> None:
    directory.save(track(1), "ckpt", 1, {})
    index = directory.path / "checkpoints.json"
    index.write_text(content, encoding="utf-8")
    with pytest.raises(ChatbotError, match=r"checkpoints\.json"):
        directory.newest()
    index.unlink()
    with pytest.raises(ChatbotError, match=r"checkpoints\.json cannot be read"):
        directory.newest()


def test_half_written_checkpoints_do_not_count(directory: ModelDirectory) -> None:
    directory.save(track(1), "ckpt", 1, {})
    (directory.path / ".writing").mkdir()
    (directory.path / ".writing" / "ckpt-2.index").write_bytes(b"half")
    assert read(directory, "newest") == 1.0
    directory.save(track(2), "ckpt", 2, {})
    assert read(directory, "newest") == 2.0
    assert not (directory.path / ".writing").exists()


def test_files_that_a_killed_process_left_without_a_name_are_deleted(
    directory: ModelDirectory,
) -> None:
    others = ["ckpt-old-4.index", "ckpt-4.txt", "notes"]
    for name in ["ckpt-4.index", "ckpt-4.data-00000-of-00001", *others]:
        (directory.path / name).write_bytes(b"left")
    for step in (3, 5):
        directory.save(track(step), "ckpt", step, {})
    assert {path.name for path in directory.path.glob("*4*")} == set(others[:2])
    assert (directory.path / "notes").exists()
    assert read(directory, "newest") == 5.0


def test_saved_and_loaded_gives_the_same_losses(directory: ModelDirectory) -> None:
    batch = [tf.constant(x) for x in ([[5, 6], [6, 0]], [2, 1], [[6, 2], [5, 2]], [2, 2])]
    one, other = (Seq2Seq(CONFIG.model, len(VOCABULARY), seed) for seed in (1, 2))
    directory.save(tf.train.Checkpoint(model=one), "ckpt", 1, {})
    newest = directory.newest()
    assert newest is not None
    assert not np.allclose(one.token_log_losses(*batch), other.token_log_losses(*batch))
    directory.restore(tf.train.Checkpoint(model=other), newest, whole=True)
    found, expected = (model.token_log_losses(*batch) for model in (other, one))
    np.testing.assert_array_equal(found, expected)


def test_weights_of_other_sizes_are_refused(directory: ModelDirectory) -> None:
    directory.save(track(1), "ckpt", 1, {})
    newest = directory.newest()
    assert newest is not None
    with pytest.raises(ChatbotError, match="does not fit the sizes"):
        directory.restore(tf.train.Checkpoint(weight=tf.Variable([1.0])), newest, whole=True)
    with pytest.raises(ChatbotError, match="does not fit the sizes"):
        directory.restore(tf.train.Checkpoint(other=tf.Variable([1.0])), newest, whole=False)


@pytest.mark.parametrize("name", [b"run[1]", b"a\\b", b"st*r?", b"\xff\xfe caf\xe9"])
def test_any_name_of_a_directory_will_do(tmp_path: Path, name: bytes) -> None:
    directory = ModelDirectory(tmp_path / os.fsdecode(name))
    config = Config(corpus=CorpusConfig(corpus=str(directory.path / "pairs.tsv")))
    directory.create(config, VOCABULARY)
    directory.save(track(3), "ckpt", 1, {})
    assert read(directory, "newest") == 3.0
    assert directory.load()[0] == config


def test_a_checkpoint_that_cannot_be_read_is_not_called_one_of_other_sizes(
    directory: ModelDirectory,
) -> None:
    directory.save(track(1), "ckpt", 1, {})
    newest = directory.newest()
    assert newest is not None
    index, data = (directory.path / f"ckpt-1.{end}" for end in ("index", "data-00000-of-00001"))
    data.unlink()
    with pytest.raises(ChatbotError, match=r"ckpt-1 cannot be read \(No such file") as caught:
        directory.restore(track(0), newest, whole=True)
    assert "/proc" not in str(caught.value)
    index.write_bytes(b"a text " * 100)
    with pytest.raises(ChatbotError, match=r"ckpt-1 cannot be read \(.*magic number\)"):
        directory.restore(track(0), newest, whole=True)
    index.unlink()
    with pytest.raises(ChatbotError, match=r"ckpt-1 cannot be read \(.* ckpt-1\)") as caught:
        directory.restore(track(0), newest, whole=True)
    assert "\n" not in str(caught.value)


def test_what_a_killed_writer_left_is_removed_by_the_next_training(
    directory: ModelDirectory,
) -> None:
    (directory.path / f"{ASIDE}1f").write_text("half")
    with directory.lock():
        assert not list(directory.path.glob(f"{ASIDE}*"))


def test_each_broken_description_is_one_line(directory: ModelDirectory) -> None:
    path = directory.path / "config.json"
    whole = json.loads(path.read_text(encoding="utf-8"))

    def refused(values: object, message: str) -> None:
        text = values if isinstance(values, str) else json.dumps(values)
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ChatbotError, match=message) as caught:
            directory.load()
        assert "\n" not in str(caught.value)

    refused({**whole, "format": 99}, "format 99")
    refused({**whole, "surprise": {}}, "unknown section 'surprise'")
    refused({**whole, "model": {**whole["model"], "colour": 1}}, "unknown setting 'colour'")
    refused({**whole, "model": {**whole["model"], "rnn_size": -1}}, "--rnn_size=-1 is out of range")
    refused({**whole, "model": {**whole["model"], "rnn_size": "8"}}, "not a whole number")
    refused({**whole, "model": []}, "is not an object")
    refused("{", "is not JSON")
    refused("[]", "is not a JSON object")
    refused({**whole, "vocabulary": {"words": 9, "sha256": "0"}}, "is not the vocabulary")
    refused({**whole, "vocabulary": []}, "vocabulary is not an object")


def test_directories_without_a_model_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ChatbotError, match="does not exist; train a model there"):
        ModelDirectory(tmp_path / "nowhere").load()
    (tmp_path / "a_file").touch()
    with pytest.raises(ChatbotError, match="a_file is not a directory; name another"):
        ModelDirectory(tmp_path / "a_file").load()
    ModelDirectory(tmp_path / "models" / "inner").create(CONFIG, VOCABULARY)
    with pytest.raises(ChatbotError, match=r"did you mean .*inner"):
        ModelDirectory(tmp_path / "models").load()


def test_an_unwritable_place_is_one_line_and_keeps_the_last_checkpoint(
    directory: ModelDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.save(track(1), "ckpt", 1, {})

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chatbot.storage.checkpoints.flush_to_disk", fail)
    with pytest.raises(ChatbotError, match="No space left on device"):
        directory.save(track(2), "ckpt", 2, {})
    monkeypatch.undo()
    assert read(directory, "newest") == 1.0
