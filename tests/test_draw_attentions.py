from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from chatbot.bot import Chatbot
from tests.helpers_chat import ROOT
from tests.test_stored_model import STORED
from tools.draw_attentions import look

QUERY = "how are you ?"


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A copy, for a model's first reply writes its graphs into its directory."""
    return Path(shutil.copytree(STORED, tmp_path / "stored_model"))


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)


def test_a_given_reply_is_looked_at_as_the_models_own_is(stored: Path) -> None:
    bot = Chatbot.load(stored)
    reply = bot.greedy(QUERY)
    given, own = look(bot, QUERY, reply.text), bot.attend(QUERY, reply)
    assert given.reply_tokens == own.reply_tokens
    np.testing.assert_array_equal(given.weights, own.weights)
    other = look(bot, QUERY, "you you are")
    assert [*other.reply_tokens[:3]] == ["you", "you", "are"]
    assert other.weights.shape == (4, len(given.query_tokens))


def test_the_picture_has_a_map_for_each_model_with_its_words(stored: Path, tmp_path: Path) -> None:
    path = tmp_path / "maps.svg"
    flags = [f"--model_dir={stored}"] * 5 + [f"--query={QUERY}", "--reply=fine", f"--path={path}"]
    command = [sys.executable, "-m", "tools.draw_attentions"]
    done = run([*command, *flags])
    assert done.returncode == 0, done.stderr
    texts = [
        "".join(x.itertext()).strip() for x in ElementTree.parse(path).iter() if "text" in x.tag
    ]
    for written in ("stored_model", "how", "are", "<eos>"):
        assert texts.count(written) == 5
    done = run([*command, *flags[:1]])
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--query" in done.stderr
