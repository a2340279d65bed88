from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chatbot.bot import Chatbot
from tests.helpers_chat import load_bot
from tests.serving.servers import PaperServer, Running, serve_paper, start_server


@pytest.fixture(scope="package")
def model_dirs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two model directories with their graphs."""
    place = tmp_path_factory.mktemp("models")
    for name in ("small", "小"):
        load_bot(place / name, "onnx")
    return [place / "small", place / "小"]


@pytest.fixture(scope="package")
def bot(model_dirs: list[Path]) -> Chatbot:
    """The first of the served models, in this process."""
    return Chatbot.load(model_dirs[0], engine="onnx")


@pytest.fixture(scope="package")
def server(model_dirs: list[Path]) -> Iterator[Running]:
    """A process that serves both."""
    with start_server(*model_dirs) as running:
        yield running


@pytest.fixture(scope="package")
def paper() -> Iterator[PaperServer]:
    """A server over a bot of paper, with a friend and a name of its own."""
    with serve_paper(
        allow_hosts=("chat.example.org",),
        allow_origins=("https://friend.example",),
    ) as running:
        yield running
