from __future__ import annotations

from typing import Any

import pytest

from chatbot.bot import Chatbot
from chatbot.chat.conversation import Conversation
from tests.helpers_chat import PaperBot, load_bot


@pytest.fixture(scope="package")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Chatbot:
    return load_bot(tmp_path_factory.mktemp("model"))


@pytest.fixture
def chat() -> Conversation:
    bot: Any = PaperBot()
    return Conversation(lambda: bot)
