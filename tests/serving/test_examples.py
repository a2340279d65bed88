"""The commands and programs of docs/serving.md, run as they stand there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest

from chatbot.bot import Chatbot
from tests.helpers_chat import ROOT
from tests.serving.servers import SECONDS, Running

TEXT = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")


def fit(example: str, server: Running) -> str:
    """Leads an example to a server of the tests."""
    return example.replace("http://127.0.0.1:8000/", server.address).replace("smalltalk", "small")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl(server: Running, bot: Chatbot) -> None:
    (example,) = re.findall(r"^curl .*?\n(?=```)", TEXT, re.MULTILINE | re.DOTALL)
    answer = json.loads(run("sh", "-c", fit(example, server)))
    assert answer["choices"][0]["message"]["content"] == bot.reply("hello")[0].text


def test_the_openai_package(server: Running, bot: Chatbot) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    said = run(sys.executable, "-c", fit(example, server))
    assert said == f"{bot.reply('hello')[0].text}\n"
