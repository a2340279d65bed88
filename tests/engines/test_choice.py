"""Both engines over the same variables: chosen, told, changed, and the same in what they do."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from chatbot.bot import Chatbot
from chatbot.chat.conversation import Conversation
from chatbot.engines.choice import choose_engine
from chatbot.errors import ChatbotError
from tests.helpers_chat import make_directory
from tests.trainings import read_metrics, tiny_settings, train, write_pairs

QUERIES = ["hello", "hi you", "are you pip?", "你好"]


@pytest.fixture
def without_addons(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda x: None if x == "tensorflow_addons" else find(x)
    )


def set_gpu(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr("chatbot.engines.choice.has_gpu", lambda: there)


@pytest.mark.needs_addons
@pytest.mark.parametrize(
    ("name", "gpu", "chosen"),
    [
        ("auto", False, "own"),
        ("auto", True, "addons"),
        ("own", True, "own"),
        ("addons", False, "addons"),
    ],
)
def test_auto_takes_the_library_on_a_gpu_alone(
    name: str, gpu: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_gpu(monkeypatch, gpu)
    assert choose_engine(name).name == chosen


@pytest.mark.usefixtures("without_addons")
def test_without_the_library_auto_is_our_own_and_addons_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_gpu(monkeypatch, True)
    assert choose_engine("auto").name == "own"
    with pytest.raises(ChatbotError, match=r"^--engine=addons needs tensorflow-addons, which inst"):
        choose_engine("addons")


@pytest.mark.needs_addons
def test_a_chat_says_and_changes_who_computes_and_the_replies_stay(tmp_path: Path) -> None:
    make_directory(tmp_path)
    bot = Chatbot.load(tmp_path, engine="own")
    conversation = Conversation(lambda: bot)

    def tell(line: str) -> str:
        ((part,),) = conversation.answer(line)
        return part.text

    assert tell("/engine") == "now by our own loops"
    own = [bot.replies(QUERIES, beam_size=size) for size in (1, 3)]
    assert tell("/engine addons") == "from now on by Keras and tensorflow_addons"
    graphs = bot.count_traces()
    others = [bot.replies(QUERIES, beam_size=size) for size in (1, 3)]
    assert bot.count_traces() == graphs + 2  # the library has a graph for each width
    for mine, other in zip(own, others):
        assert [list(map(str, row)) for row in mine] == [list(map(str, row)) for row in other]
        for row, same in zip(mine, other):
            expected = pytest.approx([reply.log_prob for reply in same], abs=1e-4)
            assert [reply.log_prob for reply in row] == expected
    assert (
        tell("/engine keras") == "there is no engine 'keras'; take one of auto, own, addons, onnx"
    )
    assert tell("/engine") == "now by Keras and tensorflow_addons"


@pytest.mark.parametrize("name", ["float16", "bfloat16", 8])
def test_a_precision_that_replies_have_not_is_one_line_and_makes_nothing(
    name: Any, tmp_path: Path
) -> None:
    make_directory(tmp_path)
    for engine in ("auto", "onnx", "own"):
        with pytest.raises(ChatbotError, match=r"take one of auto, float32, int8$"):
            Chatbot.load(tmp_path, engine=engine, reply_precision=name)
    assert not (tmp_path / "onnx").exists()


@pytest.mark.needs_addons
def test_a_training_changes_engines_and_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv")
    settings = tiny_settings(corpus, precision="float32")
    assert train(tmp_path / "whole", **settings) == 0
    assert " in float32 by our own loops\n" in capsys.readouterr().err
    half = int(settings["max_steps"]) // 2
    assert train(tmp_path / "changed", **{**settings, "max_steps": half}, engine="addons") == 0
    assert " in float32 by Keras and tensorflow_addons\n" in capsys.readouterr().err
    assert train(tmp_path / "changed", max_steps=settings["max_steps"]) == 0
    whole, changed = (read_metrics(tmp_path / name)[-1] for name in ("whole", "changed"))
    assert changed["step"] == whole["step"]
    assert changed["loss"] == pytest.approx(whole["loss"], rel=1e-4)
