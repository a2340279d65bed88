"""Networks that an engine has no form for: another replies and says so, or one line refuses."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from chatbot.bot import Chatbot
from chatbot.engines.choice import choose_engine
from chatbot.engines.graphs import FIRST_SETTINGS, identify_network
from chatbot.errors import ChatbotError
from chatbot.export.work import export_model
from chatbot.lite.files import FORMAT
from chatbot.settings.config import ModelConfig
from tests.helpers_chat import make_directory
from tests.trainings import tiny_settings, train, write_pairs


def test_an_attention_without_graphs_trains_and_replies_by_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, path = write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model"
    assert train(path, **tiny_settings(corpus, attention="coverage")) == 0
    assert "ONNX" not in capsys.readouterr().err
    bot = Chatbot.load(path)
    said = "ONNX graphs have no --attention=coverage; take --engine=own"
    assert capsys.readouterr().err == f"{said}, which replies now\n"
    assert bot.engine == "our own loops"
    assert bot.attend("hello", bot.greedy("hello")).weights.shape[1] == 1
    with pytest.raises(ChatbotError, match=f"^{said}$"):
        Chatbot.load(path, engine="onnx")
    with pytest.raises(ChatbotError, match=f"^{said} --reply_precision=auto$"):
        Chatbot.load(path, reply_precision="int8")
    with pytest.raises(ChatbotError, match=r"^--format=onnx has no --attention=coverage; take --f"):
        export_model(str(path), str(tmp_path / "exported"), "onnx")
    assert not (tmp_path / "exported").exists()


@pytest.mark.needs_addons
def test_what_the_library_has_no_form_for_is_ours_with_a_line_or_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("chatbot.engines.choice.has_gpu", lambda: True)
    config = ModelConfig(attention="location")
    assert choose_engine("auto", config).name == "own"
    said = "--engine=addons has no --attention=location; our own loops compute\n"
    assert capsys.readouterr().err == said
    with pytest.raises(ChatbotError, match=r"^--engine=addons has no --attention=location; take -"):
        choose_engine("addons", config)
    assert choose_engine("addons", ModelConfig(attention="monotonic")).name == "addons"


def test_settings_that_came_later_leave_older_graphs_their_names(tmp_path: Path) -> None:
    directory = make_directory(tmp_path / "model")
    config = directory.load()[0]
    described = {name: getattr(config.model, name) for name in FIRST_SETTINGS}
    words = directory.read_vocabulary_hash()
    text = json.dumps([FORMAT, "int8", described, words], sort_keys=True)
    name = identify_network(directory, config, "int8")
    assert name == hashlib.sha256(text.encode()).hexdigest()
    changed = config.replace({"attention_tanh": True})
    assert identify_network(directory, changed, "int8") != name
