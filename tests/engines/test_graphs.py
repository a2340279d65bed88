"""The graphs of a model directory: read, made again, refused, or left for another engine."""

from __future__ import annotations

import importlib.util
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tensorflow as tf

from chatbot.bot import Chatbot
from chatbot.chat.conversation import Conversation
from chatbot.engines.graphs import identify_network, identify_weights
from chatbot.errors import ChatbotError
from chatbot.lite.files import NAMES, find_graphs, save_graphs
from chatbot.storage.model_directory import ModelDirectory
from tests.helpers_chat import CONFIG, WORDS, make_directory, make_model

QUERIES = ["hello", "hi you", "are you pip?", "你好"]
WRITING = " as ONNX graphs in float32, which later starts read"


def find_replies(bot: Chatbot) -> list[tuple[str, float]]:
    found = bot.replies(QUERIES, beam_size=3)
    return [(str(reply), round(reply.log_prob, 3)) for replies in found for reply in replies]


def add_checkpoint(path: Path, seed: int, perplexity: float | None = None) -> None:
    directory = ModelDirectory(path)
    tracked = tf.train.Checkpoint(model=make_model(seed))
    directory.save(tracked, "ckpt", seed, {}, perplexity)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "model"
    make_directory(path)
    for precision in ("float32", "int8"):
        Chatbot.load(path, reply_precision=precision)
    return path


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model of the same sizes and words."""
    path = tmp_path_factory.mktemp("other") / "model"
    make_directory(path)
    add_checkpoint(path, 5)
    for precision in ("float32", "int8"):
        Chatbot.load(path, reply_precision=precision)
    return path


@pytest.fixture(scope="module")
def expected(made: Path) -> list[tuple[str, float]]:
    return find_replies(Chatbot.load(made, engine="own"))


@pytest.fixture
def model_dir(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "model"))


@pytest.fixture
def exported(model_dir: Path) -> Path:
    for path in (*model_dir.glob("ckpt-*"), model_dir / "checkpoints.json"):
        path.unlink()
    return model_dir


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Lets packages seem not to be installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda x: None if x in packages else find(x))


def read_errors(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_copied_or_restored_directory_keeps_its_graphs(
    model_dir: Path, expected: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = Path(shutil.copytree(model_dir, tmp_path / "backup"))
    bot = Chatbot.load(backup)
    assert bot.engine == "onnxruntime in float32"
    assert find_replies(bot) == expected
    add_checkpoint(model_dir, 5)
    newer = find_replies(Chatbot.load(model_dir, engine="own"))
    assert newer != expected
    assert find_replies(Chatbot.load(model_dir)) == newer  # writes the newer one's
    assert [line.endswith(WRITING) for line in read_errors(capsys)] == [True]
    for path in (*backup.glob("ckpt-*"), backup / "checkpoints.json"):
        shutil.copy(path, model_dir)
    assert find_replies(Chatbot.load(model_dir)) == expected
    assert [line.endswith(WRITING) for line in read_errors(capsys)] == [True]
    assert find_replies(Chatbot.load(model_dir)) == expected
    assert read_errors(capsys) == []


def swap_precisions(model_dir: Path) -> None:
    names = [model_dir / "onnx" / name for name in ("float32", "int8", "kept")]
    for source, target in ((0, 2), (1, 0), (2, 1)):
        names[source].rename(names[target])


def edit_config(section: str, **changes: Any) -> Callable[[Path], None]:
    def apply(model_dir: Path) -> None:
        path = model_dir / "config.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        values[section] |= changes
        path.write_text(json.dumps(values), encoding="utf-8")

    return apply


@pytest.mark.parametrize("change", [swap_precisions, edit_config("model", dropout=0.5)])
def test_graphs_of_another_kind_are_made_again(
    model_dir: Path, change: Any, expected: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    change(model_dir)
    for lines in (1, 0):
        assert find_replies(Chatbot.load(model_dir)) == expected
        assert len(read_errors(capsys)) == lines


@pytest.mark.parametrize("name", [*NAMES, "graphs.json", ""])
def test_graphs_of_another_model_are_made_again(
    model_dir: Path, other: Path, name: str, expected: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = (find_graphs(path, "float32") for path in (model_dir, other))
    if name:
        shutil.copy(there / name, here)
    else:
        shutil.copytree(there, here, dirs_exist_ok=True)
    differs = (here / name).is_dir() or name not in ("best.onnx", "graphs.json")
    assert find_replies(Chatbot.load(model_dir)) == expected
    said = read_errors(capsys)
    if name in ("encoder.onnx", "step.onnx"):
        damaged = f"{here / name} is not what graphs.json says; the graphs are made again"
        assert said.pop(0) == damaged
    assert [line.endswith(WRITING) for line in said] == [True] * (name != "best.onnx")
    assert differs or name in ("best.onnx", "graphs.json")
    assert find_replies(Chatbot.load(model_dir)) == expected
    assert read_errors(capsys) == []


def test_the_best_checkpoints_graphs_outlive_it_and_the_seconds_are_not_taken_for_them(
    model_dir: Path,
    expected: Any,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    shutil.rmtree(model_dir / "onnx")
    add_checkpoint(model_dir, 5, perplexity=2.0)
    best = find_replies(Chatbot.load(model_dir))
    assert read_errors(capsys) == [f"writing {model_dir}{WRITING}"]
    (model_dir / "ckpt-5.index").write_bytes(b"")
    assert find_replies(Chatbot.load(model_dir)) == best != expected
    shutil.rmtree(model_dir / "onnx")
    for lines in (1, 0):  # made once, and known the next time
        caplog.clear()
        assert find_replies(Chatbot.load(model_dir)) == expected
        assert len(read_errors(capsys)) == lines
        assert [text.split(":")[0] for text in caplog.messages] == ["skipping checkpoint ckpt-5"]


def test_no_checkpoint_yet_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from chatbot.text import Vocabulary

    ModelDirectory(tmp_path / "model").create(CONFIG, Vocabulary(WORDS))
    for engine in ("auto", "onnx", "own"):
        with pytest.raises(ChatbotError, match="has no checkpoint yet"):
            Chatbot.load(tmp_path / "model", engine=engine)
    assert read_errors(capsys) == []


def test_an_exported_model_replies_and_says_what_it_cannot(
    exported: Path, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "tensorflow", "onnx")
    bot = Chatbot.load(exported)
    assert find_replies(bot) == expected
    for engine in ("own", "addons"):
        with pytest.raises(ChatbotError, match=r"has graphs alone.* --engine=onnx"):
            bot.use_engine(engine)
    assert find_replies(bot) == expected
    shutil.rmtree(find_graphs(exported, "float32"))
    assert Chatbot.load(exported).engine == "onnxruntime in int8"


def break_step(model_dir: Path) -> None:
    path = find_graphs(model_dir, "float32") / "step.onnx"
    path.write_bytes(path.read_bytes()[:-1])


def drop_graphs(model_dir: Path) -> None:
    shutil.rmtree(model_dir / "onnx")


def change_a_word(model_dir: Path) -> None:
    from chatbot.text import Vocabulary

    words = Vocabulary([*WORDS[:-1], "pop"])
    words.save(model_dir / "vocab.txt")
    edit_config("vocabulary", sha256=words.digest)(model_dir)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (break_step, r"step\.onnx is not what graphs\.json says; export the model again$"),
        (drop_graphs, "has neither a checkpoint nor graphs that fit"),
        (change_a_word, "has neither a checkpoint nor graphs that fit"),
        (edit_config("model", rnn_size=9), "has neither a checkpoint nor graphs that fit"),
    ],
)
@pytest.mark.parametrize("engine", ["auto", "onnx"])
def test_an_exported_model_that_does_not_fit_is_refused(
    exported: Path, change: Any, said: str, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(exported)
    with pytest.raises(ChatbotError, match=said) as caught:
        Chatbot.load(exported, engine=engine)
    assert str(exported) in str(caught.value)
    assert read_errors(capsys) == []


def test_a_lost_index_of_checkpoints_makes_no_exported_model(model_dir: Path) -> None:
    (model_dir / "checkpoints.json").unlink()
    with pytest.raises(ChatbotError, match=r"checkpoints\.json cannot be read"):
        Chatbot.load(model_dir)


def lack_onnxruntime(monkeypatch: pytest.MonkeyPatch, model_dir: Path) -> None:
    hide(monkeypatch, "onnxruntime")


def lack_onnx(monkeypatch: pytest.MonkeyPatch, model_dir: Path) -> None:
    hide(monkeypatch, "onnx")
    shutil.rmtree(model_dir / "onnx")


def exceed_protobuf(monkeypatch: pytest.MonkeyPatch, model_dir: Path) -> None:
    monkeypatch.setattr(onnx.checker, "MAXIMUM_PROTOBUF", 1_000)
    shutil.rmtree(model_dir / "onnx")


def lose_a_number(monkeypatch: pytest.MonkeyPatch, model_dir: Path) -> None:
    directory, model = ModelDirectory(model_dir), make_model()
    values = model.embedding.numpy()
    values[WORDS.index("<sep>"), 0] = np.nan  # which no query here has
    model.embedding.assign(values)
    directory.save(tf.train.Checkpoint(model=model), "ckpt", 7, {})


def fail_to_run(monkeypatch: pytest.MonkeyPatch, model_dir: Path) -> None:
    """Whole files that onnxruntime refuses, as one of an older version does."""
    directory = ModelDirectory(model_dir)
    best = directory.require_best()
    config = directory.load()[0]
    network = identify_network(directory, config, "float32")
    graphs = dict.fromkeys(NAMES, b"of a later version")
    save_graphs(find_graphs(model_dir, "float32"), graphs, network, identify_weights(best))


OBSTACLES = {
    lack_onnxruntime: "--engine=onnx needs onnxruntime; pip install onnxruntime onnx, ",
    lack_onnx: "writing ONNX graphs needs onnx; pip install onnx, ",
    exceed_protobuf: "the network is larger than the 2 GB of an ONNX file; ",
    lose_a_number: "has weights that are not numbers; train again, ",
    fail_to_run: "install the versions in requirements.txt, ",
}


@pytest.mark.parametrize("hinder", OBSTACLES)
def test_where_onnx_cannot_auto_replies_by_own_and_onnx_refuses(
    model_dir: Path,
    hinder: Any,
    expected: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hinder(monkeypatch, model_dir)
    bot = Chatbot.load(model_dir)
    assert bot.engine == "our own loops"
    assert find_replies(bot) == expected
    said = read_errors(capsys)
    ending = f"{OBSTACLES[hinder]}or take --engine=own, which replies now"
    if hinder is exceed_protobuf:
        assert said.pop(0).endswith(WRITING)
        ending = ending.replace("; or", ";")
    assert len(said) == 1
    assert said[0].endswith(ending)
    with pytest.raises(ChatbotError, match=r"take --engine=own$") as caught:
        Chatbot.load(model_dir, engine="onnx")
    assert str(caught.value).isprintable()
    if hinder is not fail_to_run:  # which leaves those in int8 as they are
        with pytest.raises(ChatbotError, match=r"take --engine=own --reply_precision=auto$"):
            Chatbot.load(model_dir, reply_precision="int8")
        assert find_replies(Chatbot.load(model_dir, None, "own", "auto")) == expected


def test_without_tensorflow_old_graphs_are_one_line(
    model_dir: Path, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "tensorflow")
    assert find_replies(Chatbot.load(model_dir)) == expected
    shutil.rmtree(model_dir / "onnx")
    for engine in ("auto", "onnx", "own"):
        with pytest.raises(ChatbotError, match=r"needs? TensorFlow; pip install"):
            Chatbot.load(model_dir, engine=engine)


def test_threads_that_load_at_once_all_reply(model_dir: Path, expected: Any) -> None:
    shutil.rmtree(model_dir / "onnx")
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(find_replies(Chatbot.load(model_dir))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 3
    assert find_replies(Chatbot.load(model_dir)) == expected


@pytest.mark.needs_addons
def test_a_chat_changes_between_all_engines(model_dir: Path, expected: Any) -> None:
    bot = Chatbot.load(model_dir, reply_precision="int8")
    conversation = Conversation(lambda: bot)
    says = {
        "own": "our own loops",
        "onnx": "onnxruntime in int8",
        "addons": "Keras and tensorflow_addons",
        "auto": "onnxruntime in int8",
    }
    for name, who in says.items():
        ((part,),) = conversation.answer(f"/engine {name}")
        assert part.text == f"from now on by {who}"
        if "int8" not in who:
            assert find_replies(bot) == expected
